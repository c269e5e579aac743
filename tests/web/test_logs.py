"""A line of the log says one thing, and nobody who sends a request writes another."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from apiv2project.logs import EventFormatter, SuspicionIsNoFailure


def line(**extra: Any) -> str:
    record = logging.LogRecord("service", logging.INFO, __file__, 1, "task completed", None, None)
    record.__dict__.update(extra)
    return EventFormatter("%(levelname)s %(name)s %(message)s").format(record)


def test_it_works() -> None:
    assert line(task="7", pages=3) == "INFO service task completed task=7 pages=3"


@pytest.mark.parametrize("sent", ["a\nERROR service fake", "a\r\nb", "\x1b[2J", "a\u2028b", "\u202eb", "\x00"])
def test_what_a_client_sent_stays_on_its_line(sent: str) -> None:
    written = line(path=sent)
    assert written.isprintable()
    assert len(written.splitlines()) == 1


def test_letters_of_any_script_are_kept() -> None:
    assert line(title="Ünïcödé 文書").endswith("title=Ünïcödé 文書")


@pytest.mark.parametrize(
    ("source", "level"),
    [("django.security.DisallowedHost", "WARNING"), ("django.request", "ERROR"), ("processing.api.errors", "ERROR")],
)
def test_what_a_caller_may_not_send_is_no_failure_of_ours(source: str, level: str) -> None:
    record = logging.LogRecord(source, logging.ERROR, __file__, 1, "odd", None, (ValueError, ValueError("odd"), None))
    assert SuspicionIsNoFailure().filter(record)
    assert record.levelname == level
    assert (record.exc_info is None) is (level == "WARNING")
