"""Asks providers now and then whether they are there and what they serve: so `available` and `reason` stay true."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry import availability, breaker
from modelsregistry.contract import ListsModels
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=60)
_SECONDS = 5.0  # that one provider may take
_REFUSED = "credential_refused"


def probe_due(variables: Mapping[str, str], seconds: float = 2 * _SECONDS) -> int:
    """Probe the enabled providers that nobody looked at for a minute, the longest waiting first; begin none after
    `seconds`. Returns how many.

    `variables` are those that `provision` reads: what they name is there, whatever a list says.
    """
    end, probed = time.monotonic() + seconds, 0
    may_be_back = Q(open_until__lte=Now(), probed_at__lt=F("open_until"))
    due = Q(probed_at__isnull=True) | Q(probed_at__lte=Now() - EVERY) | may_be_back
    waiting = Provider.objects.filter(due, enabled=True).order_by(F("probed_at").asc(nulls_first=True))
    for provider in waiting:
        if time.monotonic() >= end:
            break
        # Of any number of hosts, one gets it.
        if Provider.objects.filter(due, pk=provider.pk).update(probed_at=Now()):
            probe(provider, variables, min(end, time.monotonic() + _SECONDS))
            probed += 1
    return probed


def probe(provider: Provider, variables: Mapping[str, str], deadline: float) -> None:
    """Ask one provider for its list, by `time.monotonic()` `deadline`, and note what follows for its models.

    One that is left alone because it kept failing is not asked: its models cannot be had meanwhile.
    """
    if _is_left_alone(provider):
        availability.note_failing(provider, availability.UNREACHABLE)
        return
    try:
        driver = provider.driver(model="any")
        if not isinstance(driver, ListsModels):
            availability.note_answering(provider)
            return
        listed = frozenset(model.id for model in driver.upstream_models(deadline))
    except ModelError as error:
        _note_failure(provider, error)
        return
    breaker.note_probe(provider, None)
    availability.note_listed(provider, listed, variables)


def _note_failure(provider: Provider, error: ModelError) -> None:
    """Once is no time: a provider counts as away when its circuit breaker says so, to which this failure adds. One that
    merely does not tell what it serves is there."""
    logger.info("provider did not list its models", extra={"provider": provider.name, "code": error.code})
    breaker.note_probe(provider, error)
    provider.refresh_from_db(fields=["open_until"])
    if _is_left_alone(provider):
        availability.note_failing(provider, availability.UNREACHABLE)
    elif error.code == _REFUSED:
        availability.note_failing(provider, availability.CREDENTIAL_REFUSED)
    elif not breaker.counts(error):
        availability.note_answering(provider)


def _is_left_alone(provider: Provider) -> bool:
    return provider.open_until is not None and provider.open_until > timezone.now()
