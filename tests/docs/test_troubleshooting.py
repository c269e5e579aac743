"""Every error code has its entry in docs/TROUBLESHOOTING.md, and every entry its code."""

from __future__ import annotations

import re

import pytest

from processing import errors
from processing.api import errors as http_errors
from tests.docs import error_codes
from tests.stack.service import ROOT

PAGE = (ROOT / "docs/TROUBLESHOOTING.md").read_text()
# The form of a budget, whose view says `budget_exists` instead.
NEVER_SHOWN = {"unique"}


def entries() -> dict[str, str]:
    """The places of each code, by the code."""
    codes = PAGE.partition("\n# Codes\n")[2]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$", codes, re.MULTILINE))


def test_it_works() -> None:
    """A new code needs an entry: what it means, and what to do."""
    known = error_codes.in_the_source().codes.keys() | error_codes.of_the_framework()
    assert sorted(known - NEVER_SHOWN - entries().keys()) == []


def test_no_entry_is_left_of_a_code_that_is_gone() -> None:
    known = error_codes.in_the_source().codes.keys() | error_codes.of_the_framework()
    assert sorted(entries().keys() - known) == []


def test_each_stands_there_once_and_says_something() -> None:
    codes = re.findall(r"^\| `(\w+)` \|", PAGE.partition("\n# Codes\n")[2], re.MULTILINE)
    assert sorted(codes) == sorted(entries())
    assert len(codes) > 150


def test_it_is_known_of_every_error_which_code_it_has() -> None:
    """If this fails: write the code as text where the error is made, or call the argument that brings it `code`."""
    assert sorted(error_codes.in_the_source().untold) == []


@pytest.mark.parametrize(
    "code",
    [
        *("task_not_found", "busy", "uploads_limited", "unknown_group", "reader_crashed"),
        *("admin_required", "attempts_exhausted", "webhook_url_not_allowed", "disk_full"),
    ],
)
def test_codes_are_found_however_they_are_written(code: str) -> None:
    """In a call, handed to a function, in a conditional, in a table, in a class, by a constant."""
    assert code in error_codes.in_the_source().codes


def test_codes_of_fields_are_found() -> None:
    assert {"required", "blank", "max_value", "invalid_choice", "not_authenticated"} <= error_codes.of_the_framework()


def test_the_statuses_are_those_of_the_replies() -> None:
    by_family = {kind.__name__: status for kind, status in http_errors._STATUS_BY_FAMILY.items()}
    for kind in list(errors.ProcessingError.__subclasses__()):
        by_family |= {each.__name__: by_family[kind.__name__] for each in kind.__subclasses__()}
    for code, places in entries().items():
        told = {int(each) for each in re.findall(r"\b[1-5]\d\d\b", places)}
        fixed = http_errors._STATUS_BY_CODE.get(code)
        if fixed is not None:
            assert told in ({fixed}, set()), code
            continue
        families = error_codes.in_the_source().families.get(code, set())
        possible = {by_family[each] for each in families if each in by_family}
        if families and families <= by_family.keys():
            assert told <= possible, (code, told, possible)
            assert told == possible or "task" in places or "command" in places, (code, told, possible)
