"""Sends what is due, many at once, in a process of the cluster; any number of hosts may do so beside one another.

One thread speaks to the database, the others to receivers. A message is claimed before it is sent, under a token that
rises with every claim, so that of two that send it one alone writes what became of it. Who dies between sending and
writing has sent a message that is sent again, under the same id: at least once, never not at all.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, connection, transaction
from django.db.models import QuerySet

from modelsregistry.errors import ModelError
from processing import metrics
from processing.access import audit
from processing.counters import ledger
from processing.delivery.webhooks import batch_ends, endpoints, messages, schedule
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.delivery.webhooks.sending import GONE, Letter, Outcome, Send, sender
from processing.metrics import Increment

logger = logging.getLogger(__name__)

SLOTS = 32  # messages on their way at once, of one process
_OF_ONE_TARGET = 4  # of these, to one host and port: a receiver that hangs keeps the others' messages waiting no longer
_OF_ONE_OWNER = 8  # and of one user, who may have many such receivers
LEASE = timedelta(seconds=60)  # that a try may last, looking up the receiver's name included
KEPT = timedelta(days=30)  # that a message is kept after its end, if its task is kept as long
_LOOK = 0.5  # seconds between two looks where nothing is to be done
_GRACE = 8.0  # seconds that messages on their way get at the end; less than the cluster's own
_SWEEP = timedelta(minutes=5)
_SWEPT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Claimed:
    letter: Letter
    owner_id: int
    target: str
    endpoint: str
    is_test: bool
    tries: int


class Deliverer:
    """`now` is the database's clock, `send` hands one message over."""

    def __init__(self, send: Send, now: Callable[[], datetime] = schedule.now) -> None:
        self._send = send
        self._now = now
        self._pool = ThreadPoolExecutor(SLOTS, "webhook")
        self._under_way: dict[int, _Claimed] = {}
        self._outcomes: queue.SimpleQueue[tuple[_Claimed, Outcome]] = queue.SimpleQueue()
        self._unwritten: list[tuple[_Claimed, Outcome]] = []
        self._sweep_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Block until `stop` is set; then let what is on its way end."""
        while not stop.is_set():
            try:
                is_busy = self.look()
            except Error:
                logger.warning("webhooks wait for the database", exc_info=True)
                connection.close()
                is_busy = False
            self._await(0.0 if is_busy else _LOOK)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._end()

    def look(self) -> bool:
        """Write what became of messages, take up what has ended, claim and send what is due; returns at once. True
        where there may be more to do."""
        self._write()
        announced = messages.announce_ended_tasks() + batch_ends.announce()
        claimed = self._claim()
        self._sweep()
        return bool(announced or claimed)

    def settle(self) -> None:
        """Wait until nothing is on its way, and write what became of it."""
        while self._under_way:
            self._await(None)
            self._write()

    def _await(self, seconds: float | None) -> None:
        """Sleep until a message has ended, at most so long; None: however long it takes."""
        try:
            if seconds != 0.0:
                self._unwritten.append(self._outcomes.get(timeout=seconds))
            while True:
                self._unwritten.append(self._outcomes.get_nowait())
        except queue.Empty:
            return

    def _end(self) -> None:
        deadline = time.monotonic() + _GRACE
        try:
            while self._under_way and time.monotonic() < deadline:
                self._await(_LOOK)
                self._write()
        except Error:
            logger.warning("webhooks are sent again: the database did not answer", exc_info=True)

    def _claim(self) -> int:
        if len(self._under_way) >= SLOTS or not self._due(self._now()).exists():
            return 0
        claimed: list[_Claimed] = []
        with transaction.atomic():
            now = self._now()
            while len(self._under_way) + len(claimed) < SLOTS:
                row = self._next(now, claimed)
                if row is None:
                    break
                if (taken := self._take(row, now)) is not None:
                    claimed.append(taken)
        for each in claimed:  # Only now: what is sent was claimed for sure.
            self._under_way[each.letter.seq] = each
            self._pool.submit(self._deliver, each)
        return len(claimed)

    def _due(self, now: datetime) -> QuerySet[WebhookDelivery]:
        return WebhookDelivery.objects.filter(state=State.PENDING, next_at__lte=now)

    def _next(self, now: datetime, claimed: list[_Claimed]) -> WebhookDelivery | None:
        """The message that has waited longest, of receivers and owners that have not got their share already."""
        busy = [*self._under_way.values(), *claimed]
        targets = Counter(each.target for each in busy)
        owners = Counter(each.owner_id for each in busy)
        due = (
            self._due(now)
            .exclude(seq__in=[each.letter.seq for each in busy])
            .exclude(target__in=[name for name, count in targets.items() if count >= _OF_ONE_TARGET])
            .exclude(owner__in=[owner for owner, count in owners.items() if count >= _OF_ONE_OWNER])
        )
        return due.select_for_update(skip_locked=True, of=("self",)).order_by("next_at", "seq").first()

    def _take(self, row: WebhookDelivery, now: datetime) -> _Claimed | None:
        """Claim it; None where it is not to be sent any more."""
        changes = {"token": row.token + 1, "tries": row.tries + 1, "next_at": now + LEASE, "tried_at": now}
        try:
            secrets = self._secrets(row, now)
        except ModelError:
            self._put_off(row, "secret_unreadable", now)
            return None
        if secrets is None:
            WebhookDelivery.objects.filter(seq=row.seq).update(state=State.DISCARDED, ended_at=now)
            ledger.add(*metrics.WEBHOOK_ENDED.by(1, State.DISCARDED))
            return None
        if not WebhookDelivery.objects.filter(seq=row.seq, token=row.token, state=State.PENDING).update(**changes):
            return None
        letter = Letter(row.seq, row.token + 1, str(row), row.url, row.body.encode(), secrets, now)
        return _Claimed(
            letter, row.owner_id, row.target, str(row.endpoint_id or ""), row.type == messages.PING, row.tries + 1
        )

    def _secrets(self, row: WebhookDelivery, now: datetime) -> tuple[str, ...] | None:
        """What signs it; None where its endpoint is disabled."""
        if row.endpoint is None:
            return endpoints.signing_secret(row.owner_id, row.api_key_id).secrets(now)
        return None if row.endpoint.disabled_at is not None else row.endpoint.secrets(now)

    def _put_off(self, row: WebhookDelivery, error: str, now: datetime) -> None:
        wait = schedule.pause(row.tries + 1, None)
        ended = {"state": State.FAILED, "ended_at": now} if wait is None else {"next_at": now + wait}
        changes = {"tries": row.tries + 1, "tried_at": now, "last_status": None, "last_error": error, **ended}
        if WebhookDelivery.objects.filter(seq=row.seq, token=row.token).update(**changes):
            ledger.add(*metrics.WEBHOOK_TRIES.by(1, error), *_counted_end(changes))

    def _deliver(self, claimed: _Claimed) -> None:
        """In a thread of its own, which does not know the database."""
        outcome = Outcome(error="failed")
        try:
            outcome = self._send(claimed.letter)
        finally:
            self._outcomes.put((claimed, outcome))

    def _write(self) -> None:
        self._await(0.0)
        if not self._unwritten:
            return
        with transaction.atomic():
            now = self._now()
            # In one order on every host: each note locks the message's endpoint.
            for claimed, outcome in sorted(self._unwritten, key=lambda each: each[0].endpoint):
                self._note(claimed, outcome, now)
        for claimed, _outcome in self._unwritten:
            self._under_way.pop(claimed.letter.seq, None)
        self._unwritten.clear()

    def _note(self, claimed: _Claimed, outcome: Outcome, now: datetime) -> None:
        """What became of a try, unless another has claimed the message meanwhile."""
        ours = WebhookDelivery.objects.filter(seq=claimed.letter.seq, token=claimed.letter.token, state=State.PENDING)
        endpoint_id = ours.values_list("endpoint", flat=True).first()
        if endpoint_id is not None:  # Always before its messages, as by whoever disables or deletes it.
            WebhookEndpoint.objects.select_for_update().filter(pk=endpoint_id).first()
        changes = _changes(claimed, outcome, now)
        if not ours.update(**changes):
            logger.info("late outcome of a webhook dropped", extra={"webhook": claimed.letter.message_id})
            return
        ledger.add(*metrics.WEBHOOK_TRIES.by(1, _named(outcome)), *_counted_end(changes))
        logger.info(
            "webhook delivered" if outcome.is_taken else "webhook not taken",
            extra={
                "webhook": claimed.letter.message_id,
                "target": claimed.target,
                "tries": claimed.tries,
                "status": outcome.status,
                "error": outcome.error,
            },
        )
        if endpoint_id is not None:
            _account(endpoint_id, outcome, now, is_test=claimed.is_test)

    def _sweep(self) -> None:
        """Delete what ended long ago, now and then."""
        now = self._now()
        if self._sweep_at is not None and now < self._sweep_at:
            return
        self._sweep_at = now + _SWEEP
        old = WebhookDelivery.objects.filter(ended_at__lt=now - KEPT).order_by("ended_at")
        seqs = list(old.values_list("seq", flat=True)[:_SWEPT_AT_ONCE])
        if seqs:
            WebhookDelivery.objects.filter(seq__in=seqs, ended_at__lt=now - KEPT).delete()


def run() -> None:
    """The process of the cluster that delivers: until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The supervisor gets it too, and says when it is time.
    try:
        endpoints.renew_secrets()
    except Error:
        logger.warning("webhook secrets were not renewed", exc_info=True)
        connection.close()
    Deliverer(sender()).run(stop)


def _changes(claimed: _Claimed, outcome: Outcome, now: datetime) -> dict[str, object]:
    told = {"last_status": outcome.status, "last_error": outcome.error}
    if outcome.is_taken:
        return {**told, "state": State.DELIVERED, "ended_at": now}
    pause = None if claimed.is_test or outcome.status == GONE else schedule.pause(claimed.tries, outcome.wait)
    if pause is None:
        return {**told, "state": State.FAILED, "ended_at": now}
    return {**told, "next_at": now + pause}


def _named(outcome: Outcome) -> str:
    """`taken`, `status_5xx` and the like, or why there was no status."""
    if outcome.is_taken:
        return "taken"
    return outcome.error if outcome.status is None else f"status_{outcome.status // 100}xx"


def _counted_end(changes: Mapping[str, object]) -> tuple[Increment, ...]:
    """That the message ends with these changes, if it does."""
    state = changes.get("state")
    return () if state is None else metrics.WEBHOOK_ENDED.by(1, str(state))


def _account(endpoint_id: uuid.UUID, outcome: Outcome, now: datetime, *, is_test: bool) -> None:
    """What an endpoint's row says of how it does; one that says it is gone, or has failed for days, is disabled."""
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if outcome.is_taken:
        row.update(delivered_at=now, failing_since=None)
    elif outcome.status == GONE:
        endpoints.disable(endpoint.pk, endpoints.BY_RECEIVER, audit.SERVICE)
    elif endpoint.failing_since is None:
        row.update(failing_since=now)
    elif now - endpoint.failing_since >= schedule.DISABLED_AFTER and not is_test:
        endpoints.disable(endpoint.pk, endpoints.BY_FAILING, audit.SERVICE)
