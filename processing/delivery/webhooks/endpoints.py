"""Registering receivers, replacing secrets, switching receivers off and on; each is told to the audit.

A caller with an API key has the receivers of this key, and registers them for what is done with it. Whoever has signed
in has all of theirs, those of their keys too.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from modelsregistry.errors import ModelError
from processing import metrics
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import ApiKey
from processing.counters import ledger
from processing.delivery.webhooks import messages, schedule, signing, targets
from processing.delivery.webhooks.models import SigningSecret, State, WebhookDelivery, WebhookEndpoint
from processing.errors import AccessDenied, InvalidInput, NotFound

logger = logging.getLogger(__name__)

BY_ADMINISTRATOR, BY_FAILING, BY_RECEIVER = "administrator", "failing", "gone"
MAX_ENDPOINTS = 50  # that a user may have at once
OVERLAP = timedelta(hours=24)  # that the former secret signs on, unless it is said otherwise
MAX_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose receivers: a user's by any means, or those of one of their keys."""

    owner_id: int
    api_key_id: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A receiver as it is asked for: without `events`, for all of them; without `api_key_id`, for whatever the user
    does."""

    url: str
    events: Sequence[str] = ()
    description: str = ""
    api_key_id: int | None = None


def of(caller: Caller) -> QuerySet[WebhookEndpoint]:
    """The caller's receivers, newest first."""
    own = WebhookEndpoint.objects.filter(owner=caller.owner_id)
    return own if caller.api_key_id is None else own.filter(api_key=caller.api_key_id)


def get(caller: Caller, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """One of the caller's. Raises `NotFound`, for a stranger's too."""
    found = of(caller).filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound("There is no such webhook.", "webhook_not_found")
    return found


def register(caller: Caller, wish: Wish, by: Actor) -> tuple[WebhookEndpoint, str]:
    """A new receiver and its secret. Raises `InvalidInput`: `webhook_url_not_allowed`, `too_many_webhooks`,
    `unknown_key`."""
    url = targets.require_allowed(wish.url)
    key_id = caller.api_key_id if caller.api_key_id is not None else wish.api_key_id
    if key_id is not None and not ApiKey.objects.filter(pk=key_id, user=caller.owner_id, revoked_at=None).exists():
        raise InvalidInput("There is no such key.", "unknown_key", errors={"api_key": ["There is no such key."]})
    secret = signing.new_secret()
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(owner=caller.owner_id).count() >= MAX_ENDPOINTS:
            raise InvalidInput(f"You have {MAX_ENDPOINTS} webhooks already: delete one first.", "too_many_webhooks")
        endpoint = WebhookEndpoint.objects.create(
            owner_id=caller.owner_id,
            api_key_id=key_id,
            url=url,
            events=[each for each in messages.EVENTS if each in wish.events],
            description=wish.description,
            secret_encrypted=signing.encrypt(secret),
        )
        audit.record(by, "created", target(endpoint), {"url": str(endpoint), "events": endpoint.events})
    endpoint.refresh_from_db()
    return endpoint, secret


def remove(endpoint: WebhookEndpoint, by: Actor) -> None:
    """The receiver, its secret, and what was still to be sent to it."""
    with transaction.atomic():
        WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        audit.record(by, "deleted", target(endpoint), {"url": str(endpoint)})
        WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()


def rotate(endpoint: WebhookEndpoint, overlap: timedelta, by: Actor) -> str:
    """A new secret; until `overlap` is over, messages carry the signature of the former one too. A secret before that
    one ends now."""
    with transaction.atomic():
        locked = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        secret = _replace(locked, overlap)
        locked.save(update_fields=["secret_encrypted", "previous_encrypted", "previous_until"])
        audit.record(by, "rotated", target(endpoint), {"overlap_seconds": overlap.total_seconds()})
    endpoint.refresh_from_db()
    return secret


def rotate_signing_secret(caller: Caller, overlap: timedelta, by: Actor) -> str:
    """The same for the secret of messages to addresses that are not registered; the first one where there was none."""
    with transaction.atomic():
        row = SigningSecret.objects.select_for_update().get(pk=signing_secret(caller.owner_id, caller.api_key_id).pk)
        secret = _replace(row, overlap)
        row.save(update_fields=["secret_encrypted", "previous_encrypted", "previous_until"])
        subject = Target("webhook", "signing_secret", f"of user {caller.owner_id}")
        audit.record(by, "rotated", subject, {"overlap_seconds": overlap.total_seconds(), "key": caller.api_key_id})
    return secret


def signing_secret(owner_id: int, api_key_id: int | None) -> SigningSecret:
    """What signs this caller's messages to addresses that are not registered; made where there was none."""
    made = {"secret_encrypted": signing.encrypt(signing.new_secret())}
    return SigningSecret.objects.get_or_create(owner_id=owner_id, api_key_id=api_key_id, defaults=made)[0]


def disable(endpoint_id: uuid.UUID, because: str, by: Actor) -> bool:
    """Tell it nothing more, and discard what was still to be told; False where that was so already."""
    with transaction.atomic():
        off = WebhookEndpoint.objects.filter(pk=endpoint_id, disabled_at=None)
        if not off.update(disabled_at=schedule.now(), disabled_because=because):
            return False
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint_id, state=State.PENDING)
        discarded = waiting.update(state=State.DISCARDED, ended_at=schedule.now())
        ledger.add(*metrics.WEBHOOK_ENDED.by(discarded, State.DISCARDED))
        audit.record(by, "disabled", target(WebhookEndpoint.objects.get(pk=endpoint_id)), {"because": because})
    logger.warning("webhook disabled", extra={"endpoint": endpoint_id, "because": because})
    return True


def enable(endpoint_id: uuid.UUID, by: Actor) -> bool:
    """Tell it of what happens from now on; False where it was not disabled."""
    with transaction.atomic():
        on = WebhookEndpoint.objects.filter(pk=endpoint_id, disabled_at__isnull=False)
        if not on.update(disabled_at=None, disabled_because="", failing_since=None):
            return False
        audit.record(by, "enabled", target(WebhookEndpoint.objects.get(pk=endpoint_id)))
    return True


def enable_own(endpoint: WebhookEndpoint, by: Actor) -> None:
    """The same for its owner. Raises `AccessDenied` (`webhook_disabled`) where an administrator has disabled it."""
    if endpoint.disabled_because == BY_ADMINISTRATOR:
        raise AccessDenied("An administrator has disabled this webhook.", "webhook_disabled")
    enable(endpoint.pk, by)


def ping(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A message that says only that messages arrive; tried once. Raises `InvalidInput` (`webhook_disabled`)."""
    if endpoint.disabled_at is not None:
        raise InvalidInput("The webhook is disabled: enable it first.", "webhook_disabled")
    return messages.message(endpoint, messages.PING, {"webhook_id": str(endpoint.pk)})


def send_again(seq: int, by: Actor) -> bool:
    """Begin anew with a message that has ended, under the same id; False where it has not ended, or its endpoint is
    disabled."""
    with transaction.atomic():
        ended = WebhookDelivery.objects.filter(seq=seq, endpoint__disabled_at=None).exclude(state=State.PENDING)
        row = ended.first()
        if row is None or not WebhookDelivery.objects.filter(seq=seq, token=row.token).update(
            state=State.PENDING, tries=0, token=row.token + 1, next_at=schedule.now(), ended_at=None
        ):
            return False
        audit.record(by, "sent_again", Target("webhook", str(row), f"of user {row.owner_id}"))
    return True


def renew_secrets() -> int:
    """Encrypt anew what a former `SECRET_KEY` encrypted, so that it can go. Returns how many rows."""
    return _renewed(WebhookEndpoint.objects.all()) + _renewed(SigningSecret.objects.all())


def target(endpoint: WebhookEndpoint) -> Target:
    """An endpoint as the audit names it."""
    return Target("webhook", str(endpoint.pk), str(endpoint))


def _replace(row: WebhookEndpoint | SigningSecret, overlap: timedelta) -> str:
    secret = signing.new_secret()
    row.previous_encrypted = row.secret_encrypted if overlap else ""
    row.previous_until = timezone.now() + overlap if overlap else None
    row.secret_encrypted = signing.encrypt(secret)
    return secret


def _renewed(rows: QuerySet[Any]) -> int:
    renewed = 0
    for row in rows:
        former = {name: getattr(row, name) for name in ("secret_encrypted", "previous_encrypted")}
        try:
            current = {name: signing.renewed(stored) for name, stored in former.items()}
        except ModelError:
            logger.warning("webhook secret cannot be read", extra={"row": str(row.pk)})
            continue
        if current != former:
            renewed += rows.filter(pk=row.pk, **former).update(**current)
    return renewed
