"""Moments and durations as people type them: `90d`, `12h`, `2027-01-31`, `2027-01-31T12:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """`30m`, `12h`, `90d` or `2w`. Raises `ValueError` with a sentence."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no duration; these look like 30m, 12h, 90d or 2w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment(text: str) -> datetime:
    """A duration from now on, or a date with or without a time, in UTC where it names no zone. Raises `ValueError` with
    a sentence."""
    try:
        return timezone.now() + duration(text)
    except ValueError:
        pass
    try:
        found = parse_datetime(text)
        day = None if found else parse_date(text)
    except ValueError:  # shaped like one, such as 2027-02-31
        found = day = None
    if day is not None:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001  (its zone follows)
    if found is None:
        raise ValueError(f"{text!r} is no moment; these look like 90d, 2027-01-31 or 2027-01-31T12:00.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)
