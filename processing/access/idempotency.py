"""Idempotency keys: a caller's name for one request, by which sending it again does nothing a second time.

A key is reserved before anything is written for it. Whoever holds it names what was written in the same transaction
(`Attempt.bind_task`, `bind_batch`) and then keeps the reply. One that dies on the way leaves a key that is free again
when its lease has run out, or, if something was written, one that says what.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from processing.access.models import IdempotencyKey
from processing.errors import InvalidInput

KEPT = timedelta(hours=24)  # for how long a key means the same request
LEASE = timedelta(seconds=60)  # that a request may take from its last byte until something is written for it
MAX_LENGTH = 255

_SYNTAX = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
_NOTHING: dict[str, Any] = {"reply__isnull": True, "task": None, "batch": None}  # was written so far
_BLANK: dict[str, Any] = dict.fromkeys(("status", "reply", "task", "batch", "document"))
_COME_BACK = 1  # seconds
_TRIES = 5  # of one who always finds a key that is given up in the same moment
_AT_ONCE = 500  # keys deleted in one statement


class Attempt:
    """A request under a key, or, without a key, under none: then nothing is kept. `earlier` is the row of the request
    that it repeats, if it does."""

    def __init__(self, token: uuid.UUID | None = None, earlier: IdempotencyKey | None = None) -> None:
        self._token = token
        self.earlier = earlier

    def bind_task(self, seq: int) -> None:
        """Name the task that was written, inside the transaction that writes it.

        Raises `InvalidInput` (`idempotency_in_flight`) where the lease ran out and another has taken the key over.
        """
        self._bind(task_id=seq)

    def bind_batch(self, seq: int) -> None:
        """The same for a batch."""
        self._bind(batch_id=seq)

    def keep(self, status: int, reply: Mapping[str, Any], document_id: uuid.UUID | None = None) -> None:
        """Keep what the caller is told; it goes with the document that it tells of."""
        if self._token is not None:
            self._held().update(status=status, reply=dict(reply), document_id=document_id)

    def give_up(self) -> None:
        """Free the key, unless something was written for it."""
        if self._token is not None:
            self._held().filter(**_NOTHING).delete()

    def _bind(self, **written: int) -> None:
        if self._token is not None and not self._held().update(**written):
            raise _in_flight()

    def _held(self) -> QuerySet[IdempotencyKey]:
        return IdempotencyKey.objects.filter(token__in=[self._token] if self._token else [])


@contextmanager
def attempt(owner_id: int, key: str | None, digest: str) -> Iterator[Attempt]:
    """Hold the owner's `key` for a request whose content has this digest; it is given up where the block raises.

    Raises `InvalidInput`: `idempotency_mismatch` where the key stands for another content, `idempotency_in_flight`
    where the first request under it has not been answered yet.
    """
    held = Attempt() if key is None else _reserved(owner_id, key, digest)
    try:
        yield held
    except BaseException:
        held.give_up()
        raise


def is_known(owner_id: int, key: str | None) -> bool:
    """Whether a request came under this key before, so that this one may only repeat it."""
    return key is not None and IdempotencyKey.objects.filter(owner_id=owner_id, key=key).exists()


def valid(key: str | None) -> str | None:
    """The key itself. Raises `InvalidInput` (`invalid_idempotency_key`)."""
    if key is not None and not _SYNTAX.fullmatch(key):
        raise InvalidInput(
            f"The Idempotency-Key must have 1 to {MAX_LENGTH} printable ASCII characters.", "invalid_idempotency_key"
        )
    return key


def delete_expired() -> int:
    """Delete keys whose time is over; some hundreds at most. Returns how many."""
    old = IdempotencyKey.objects.filter(expires_at__lte=Now()).order_by("expires_at")
    found = list(old.values_list("pk", flat=True)[:_AT_ONCE])
    # Asked again: one of them may have begun anew meanwhile.
    return IdempotencyKey.objects.filter(pk__in=found, expires_at__lte=Now()).delete()[0] if found else 0


def _reserved(owner_id: int, key: str, digest: str) -> Attempt:
    token = uuid.uuid4()
    fresh: dict[str, Any] = {
        "digest": digest,
        "token": token,
        "leased_until": _from_now(LEASE),
        "expires_at": _from_now(KEPT),
    }
    for _ in range(_TRIES):
        row, is_new = IdempotencyKey.objects.get_or_create(owner_id=owner_id, key=key, defaults=fresh)
        if is_new or _free().filter(pk=row.pk).update(**fresh, **_BLANK):
            return Attempt(token)
        found = IdempotencyKey.objects.select_related("task", "batch").filter(pk=row.pk).first()
        if found is None:  # Given up just now.
            continue
        if found.digest != digest:
            raise InvalidInput(
                "This Idempotency-Key was used for a request with another content.", "idempotency_mismatch"
            )
        if found.reply is None and found.task is None and found.batch is None:
            raise _in_flight()
        return Attempt(earlier=found)
    raise _in_flight()


def _free() -> QuerySet[IdempotencyKey]:
    """Keys whose time is over, and those whose holder died before anything was written."""
    return IdempotencyKey.objects.filter(Q(expires_at__lte=Now()) | Q(**_NOTHING, leased_until__lte=Now()))


def _in_flight() -> InvalidInput:
    return InvalidInput(
        "The first request with this Idempotency-Key is still under way. Come back soon.",
        "idempotency_in_flight",
        retry_after=_COME_BACK,
    )


def _from_now(span: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + span, output_field=DateTimeField())
