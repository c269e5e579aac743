"""Which counters a request falls under, and how much each of them holds: the key's word before the user's before the
configuration's.

A key counts for itself, unless its user has a limit and the key has none: then all that the user does is counted
together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from django.db import connection

from processing.access.models import CallerLimits
from processing.access.rates.contract import Window

MINUTE, HOUR, DAY = 60, 3600, 86_400
CALLS = (("per_minute", "minute", MINUTE), ("per_hour", "hour", HOUR), ("per_day", "day", DAY))
OWN = ("per_minute", "per_hour", "per_day", "uploads_per_minute", "batch_files_per_minute", "status_per_minute")

_FRESH = 1.0  # seconds: a change has to hold within two
_MOST = 10_000  # callers whose own limits are remembered

# Every request asks this, so it is written once.
_READ = f"""
    SELECT key_id IS NULL, {", ".join(OWN)} FROM {CallerLimits._meta.db_table} WHERE key_id = %s OR user_id = %s
"""  # noqa: S608  (names of our own)


class Defaults(Protocol):
    """What holds for everybody: `rate_limits` of the configuration in force."""

    @property
    def per_minute(self) -> int: ...
    @property
    def per_hour(self) -> int: ...
    @property
    def per_day(self) -> int: ...
    @property
    def uploads_per_minute(self) -> int: ...
    @property
    def batch_files_per_minute(self) -> int: ...
    @property
    def status_per_minute(self) -> int: ...
    @property
    def anonymous_per_minute(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who comes with this key, or with none: a browser's session, a token."""

    user_id: int
    key_id: int | None


@dataclass(frozen=True, slots=True)
class _Own:
    """The limits that a key and its user have themselves, as `OWN` names them; None where nothing is set."""

    key: dict[str, int | None]
    user: dict[str, int | None]
    read_at: float


_known: dict[Caller, _Own] = {}


def calls(caller: Caller, defaults: Defaults) -> list[Window]:
    """The windows of a call. Raises `django.db.DatabaseError`."""
    own = _own(caller)
    return [each for name, policy, span in CALLS for each in _windows(caller, own, defaults, name, policy, span)]


def uploads(caller: Caller, defaults: Defaults) -> list[Window]:
    """The windows of a call that carries a file. Raises `django.db.DatabaseError`."""
    return list(_windows(caller, _own(caller), defaults, "uploads_per_minute", "uploads", MINUTE))


def batch_files(caller: Caller, defaults: Defaults, files: int) -> list[Window]:
    """The windows of a batch of so many files. Raises `django.db.DatabaseError`."""
    own = _own(caller)
    return list(_windows(caller, own, defaults, "batch_files_per_minute", "batch-files", MINUTE, files))


def status_reads(caller: Caller, defaults: Defaults) -> list[Window]:
    """The windows of a look at a task. Raises `django.db.DatabaseError`."""
    return list(_windows(caller, _own(caller), defaults, "status_per_minute", "status", MINUTE))


def of_address(address: str, defaults: Defaults) -> list[Window]:
    """The window of whoever comes from this address and does not say who they are."""
    return [Window("address", f"anonymous/{address}", MINUTE, defaults.anonymous_per_minute)]


def _windows(  # noqa: PLR0913  (what a window is made of)
    caller: Caller, own: _Own, defaults: Defaults, name: str, policy: str, span: int, cost: int = 1
) -> Iterator[Window]:
    """One window: the key's, or the user's where a user has a limit and the key has none. Two where both have."""
    of_key, of_user = own.key.get(name), own.user.get(name)
    if of_user is not None:
        yield Window(
            policy if of_key is None else f"user-{policy}", f"{name}/user:{caller.user_id}", span, of_user, cost
        )
    if of_key is not None or of_user is None:
        whose = f"session:{caller.user_id}" if caller.key_id is None else f"key:{caller.key_id}"
        quota = getattr(defaults, name) if of_key is None else of_key
        yield Window(policy, f"{name}/{whose}", span, quota, cost)


def _own(caller: Caller) -> _Own:
    known = _known.get(caller)
    now = time.monotonic()
    if known is None or now - known.read_at > _FRESH:
        if len(_known) >= _MOST:
            _known.clear()
        known = _known[caller] = _read(caller, now)
    return known


def _read(caller: Caller, now: float) -> _Own:
    with connection.cursor() as cursor:
        cursor.execute(_READ, [caller.key_id, caller.user_id])
        rows = cursor.fetchall()
    own = {bool(is_users): dict(zip(OWN, values, strict=True)) for is_users, *values in rows}
    return _Own(own.get(False, {}), own.get(True, {}), now)


def forget() -> None:
    """Read the callers' own limits anew."""
    _known.clear()
