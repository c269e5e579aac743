"""A step that takes long is told in the log, by name, and no other is."""

from __future__ import annotations

import logging

import pytest

from processing.pipeline import stopwatch
from processing.pipeline.stopwatch import Stopwatch


def test_it_works(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 59.9, 119.9])
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: next(clock))
    timings = Stopwatch(60, _last=next(clock))
    with caplog.at_level(logging.INFO, logger="processing"):
        timings.lap("read")
        assert caplog.records == []
        timings.lap("generate")
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", "slow step")
    assert (record.__dict__["step"], record.__dict__["seconds"]) == ("generate", 60.0)
    assert timings.laps == {"read": 59.9, "generate": 60.0}
