"""Computed once and used again: a value under the digest of all that it was made from, for one owner.

Who computes holds a lease on the row; others who want the same wait for it. The lease is as good as the claim of the
task that took it, so it ends with that task, however it ends, and a waiter takes over. A task that was erased or
cancelled meanwhile, or whose document was erased, keeps nothing. Nothing that goes wrong here fails a task: it then
computes by itself.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.db import Error, IntegrityError, connection, transaction
from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from processing.pipeline.models import CachedResult
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status, Task

logger = logging.getLogger(__name__)
Value = TypeVar("Value")

MAX_BYTES = 4 * 1024 * 1024  # of one packed value: a larger one holds up the writers of SQLite for too long
_FIRST_PAUSE = 0.05  # seconds between two looks of one who waits; longer each time
_LONGEST_PAUSE = 0.5
_FAILED = timedelta(seconds=5)  # so long others do not wait after a computation that failed, but compute by themselves
_NOT_KEPT = timedelta(minutes=5)  # the same after one whose value was not fit to be kept: the next will not be either
_TOKEN_BITS = 16  # of a task's own lease token, in ours


@dataclass(frozen=True, slots=True)
class Key:
    """Where a value lies; `digest` is hexadecimal and says what the value was made from."""

    kind: CachedResult.Kind
    owner_id: int
    digest: str
    document_sha256: str


@dataclass(frozen=True, slots=True)
class Form(Generic[Value]):
    """How a value is kept: `pack` gives its bytes, None for one not fit to be kept; `unpack` raises `ValueError`,
    `KeyError` or `TypeError` for bytes that are none of its own."""

    pack: Callable[[Value], bytes | None]
    unpack: Callable[[bytes], Value]


@dataclass(frozen=True, slots=True)
class Terms:
    """For whom, and how: a value is good for `lifetime` after it was kept; with `renew` what is there is not read but
    made anew; nobody waits past `deadline` (`time.monotonic()`); `on_wait` is called once, before waiting."""

    claim: Claim
    lifetime: timedelta
    deadline: float
    renew: bool
    on_wait: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """A value, and whether it was there already."""

    value: Value
    was_kept: bool


def through(key: Key, form: Form[Value], terms: Terms, compute: Callable[[], Value]) -> Found[Value]:
    """The kept value, or else what `compute` returns, which is then kept. Raises what `compute` raises."""
    token = _token(terms.claim)
    try:
        found = _kept_or_ours(key, form, terms, token)
    except Error as error:
        _lost("cache could not be read", error)
        return Found(compute(), was_kept=False)
    _log("cache hit" if isinstance(found, Found) else "cache miss", key, terms)
    if isinstance(found, Found):
        return found
    if not found:
        return Found(compute(), was_kept=False)
    try:
        value = compute()
    except Exception:
        _leave(key, token, _FAILED)
        raise
    _keep(key, token, form.pack(value), terms)
    return Found(value, was_kept=False)


def _kept_or_ours(key: Key, form: Form[Value], terms: Terms, token: int) -> Found[Value] | bool:
    """The kept value; or True: the lease is ours; or False: compute, and keep nothing."""
    pause = _FIRST_PAUSE
    while time.monotonic() < terms.deadline:
        found = _looked_up(key, form, terms, token)
        if found is not None:
            return found
        if pause == _FIRST_PAUSE:
            terms.on_wait()
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return False


def _looked_up(key: Key, form: Form[Value], terms: Terms, token: int) -> Found[Value] | bool | None:
    """As `_kept_or_ours`; None while another is at it."""
    row = _row(key, terms)
    if row is None:
        return _inserted(key, terms, token)
    if row.fresh and not terms.renew:
        kept = _unpacked(row.pk, form, key)
        if kept is not None:
            return kept
    if terms.renew or not row.leased or (row.token > 0 and not _is_alive(row.token)):
        return _taken(row, terms, token) or None
    return False if row.token < 0 else None


@dataclass(frozen=True, slots=True)
class _Row:
    """`fresh`: it has a value that is still good. `leased`: somebody is at it, or was and nobody should wait
    (`token` is negative then)."""

    pk: int
    token: int
    computing: bool
    leased: bool
    fresh: bool


def _row(key: Key, terms: Terms) -> _Row | None:
    young = Q(expires_at__gt=Now(), created_at__gt=_from_now(-terms.lifetime))
    row = (
        _rows(key)
        .annotate(leased=_is(Q(computing_until__gt=Now())), fresh=_is(young & Q(content__isnull=False)))
        .values_list("pk", "token", "computing_until", "leased", "fresh")
        .first()
    )
    if row is None:
        return None
    pk, token, until, leased, fresh = row
    return _Row(pk, token, until is not None, bool(leased), bool(fresh))


def _inserted(key: Key, terms: Terms, token: int) -> bool | None:
    """Whether the row is ours; of many who insert it at once, one wins, and the others get None. False: we may keep
    nothing."""
    until = _from_now(_time_left(terms))
    try:
        with transaction.atomic():
            if not _may_keep(terms.claim):
                return False
            CachedResult.objects.create(
                kind=key.kind,
                owner_id=key.owner_id,
                digest=key.digest,
                document_sha256=key.document_sha256,
                token=token,
                computing_until=until,
                expires_at=until,
            )
    except IntegrityError:
        return None
    return True


def _may_keep(claim: Claim) -> bool:
    """Whether the task is still this worker's, and its document still there. Whoever erases either waits until this
    transaction ends, and so finds what was kept in it."""
    return bool(lifecycle.held(claim).filter(document__isnull=False).select_for_update().values_list("seq"))


def _taken(row: _Row, terms: Terms, token: int) -> bool:
    """Whether the lease is ours now, unless something happened to the row since it was looked at."""
    same = CachedResult.objects.filter(pk=row.pk, token=row.token, computing_until__isnull=not row.computing)
    return bool(same.update(token=token, computing_until=_from_now(_time_left(terms))))


def _keep(key: Key, token: int, packed: bytes | None, terms: Terms) -> None:
    content = None if packed is None else zlib.compress(packed, 1)
    if content is None or len(content) > MAX_BYTES:
        return _leave(key, token, _NOT_KEPT)
    try:
        with transaction.atomic():
            if _may_keep(terms.claim):
                _rows(key).filter(token=token).update(
                    content=content,
                    computing_until=None,
                    created_at=Now(),
                    expires_at=_from_now(terms.lifetime),
                )
    except Error as error:
        _lost("cache could not be written", error)


def _leave(key: Key, token: int, alone_for: timedelta) -> None:
    """Give the lease up; who wants the same meanwhile computes by itself."""
    try:
        _rows(key).filter(token=token).update(token=-token, computing_until=_from_now(alone_for))
    except Error as error:
        _lost("cache could not be written", error)


def _unpacked(pk: int, form: Form[Value], key: Key) -> Found[Value] | None:
    content = CachedResult.objects.filter(pk=pk).values_list("content", flat=True).first()
    if content is None:
        return None
    try:
        return Found(form.unpack(zlib.decompress(content)), was_kept=True)
    except (zlib.error, ValueError, KeyError, TypeError):
        logger.warning("cached content is broken", extra={"kind": key.kind, "digest": key.digest}, exc_info=True)
        return None


def _token(claim: Claim) -> int:
    """Names the claim, so that whoever finds it on a row can ask whether that claim still holds."""
    return claim.task.seq << _TOKEN_BITS | claim.token & ((1 << _TOKEN_BITS) - 1)


def _is_alive(token: int) -> bool:
    at_work = Task.objects.filter(seq=token >> _TOKEN_BITS, status=Status.PROCESSING, lease_expires_at__gt=Now())
    held = at_work.values_list("lease_token", flat=True).first()
    return held is not None and held & ((1 << _TOKEN_BITS) - 1) == token & ((1 << _TOKEN_BITS) - 1)


def _rows(key: Key) -> QuerySet[CachedResult]:
    return CachedResult.objects.filter(owner_id=key.owner_id, kind=key.kind, digest=key.digest)


def _time_left(terms: Terms) -> timedelta:
    return timedelta(seconds=max(1.0, terms.deadline - time.monotonic()))


def _from_now(span: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + span, output_field=DateTimeField())


def _is(condition: Q) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(condition, output_field=BooleanField())


def _lost(what: str, error: Error) -> None:
    connection.close()
    logger.warning(what, exc_info=error)


def _log(event: str, key: Key, terms: Terms) -> None:
    logger.info(event, extra={"task": terms.claim.id, "kind": key.kind})
