"""No more requests at a time than a provider bears, counted over all processes of all hosts by rows."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import psutil
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from modelsregistry.errors import ModelOverloaded
from modelsregistry.models import Provider, ProviderSlot

logger = logging.getLogger(__name__)

_LOOK = 0.2  # seconds between two looks while all slots are taken
_BEYOND = 5.0  # seconds after its deadline at which a slot counts as left behind
_LONGEST_WAIT = 20.0  # seconds; a longer wait is the queue's
_COME_BACK = 5.0


@contextlib.contextmanager
def of(provider: Provider, deadline: float) -> Iterator[None]:
    """Hold one of the provider's slots within this block. Raises `ModelOverloaded` (`provider_busy`) when none becomes
    free in time; `deadline` is a `time.monotonic()` value."""
    if provider.max_concurrency is None:
        yield
        return
    token = _taken(provider, provider.max_concurrency, deadline)
    try:
        yield
    finally:
        try:
            ProviderSlot.objects.filter(token=token).delete()
        except Error:  # It runs out by itself.
            logger.warning("provider's slot could not be given back", extra={"provider": provider.name})
            connection.close()


def _taken(provider: Provider, limit: int, deadline: float) -> uuid.UUID:
    end = min(deadline, time.monotonic() + _LONGEST_WAIT)
    while (token := _try(provider, limit, deadline)) is None:
        if time.monotonic() >= end:
            raise ModelOverloaded(
                "The model's provider has as many of our requests as it may.", "provider_busy", retry_after=_COME_BACK
            )
        _drop_dead(provider)
        time.sleep(random.uniform(_LOOK / 2, _LOOK))  # noqa: S311  (so that waiters do not move in step)
    return token


def _try(provider: Provider, limit: int, deadline: float) -> uuid.UUID | None:
    lasting = timedelta(seconds=max(deadline - time.monotonic(), 0.0) + _BEYOND)
    with transaction.atomic():
        Provider.objects.select_for_update().only("pk").get(pk=provider.pk)  # One at a time counts and adds.
        taken = ProviderSlot.objects.filter(provider=provider)
        taken.filter(expires_at__lt=Now()).delete()
        if taken.count() >= limit:
            return None
        slot = ProviderSlot.objects.create(
            provider=provider,
            token=uuid.uuid4(),
            host=settings.API_V2_HOST_NAME,
            pid=os.getpid(),
            expires_at=ExpressionWrapper(Now() + lasting, output_field=DateTimeField()),
        )
    return slot.token


def _drop_dead(provider: Provider) -> None:
    """Free what processes of this host held that are no more."""
    held = ProviderSlot.objects.filter(provider=provider, host=settings.API_V2_HOST_NAME)
    dead = [slot.pk for slot in held if not psutil.pid_exists(slot.pid)]
    if dead:
        ProviderSlot.objects.filter(pk__in=dead).delete()
