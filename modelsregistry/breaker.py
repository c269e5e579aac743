"""A circuit breaker per provider, shared by all processes through the provider's row.

After `THRESHOLD` failures in a row a provider is left alone for a while, the longer the more often it went on to fail.
Then one request tries it, while the others still stay away; its outcome decides. (Nygard, Release It!, 2nd ed., ch. 5.)
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import Error
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from modelsregistry.errors import ModelError, ModelOverloaded, ModelTimeout
from modelsregistry.models import Provider

logger = logging.getLogger(__name__)

THRESHOLD = 5
_FIRST_PAUSE = 10.0  # seconds
_LONGEST_PAUSE = 300.0
_TRIAL = timedelta(seconds=60)  # how long others stay away while one request tries the provider

_AT_LISTING = "listing its models: "  # how a failure begins that a probe noted

# A provider that limits our rate is well; whoever waits as it asks is served. So is one whose model says nothing: a
# prompt can ask for that, and nobody is to close a provider to all others by a prompt.
_NO_FAILURES = ("rate_limited", "provider_open", "provider_busy", "answer_empty")


def require_closed(provider: Provider) -> None:
    """Raises `ModelOverloaded` (`provider_open`) while the provider is to be left alone."""
    if provider.open_until is None:
        return
    left = (provider.open_until - timezone.now()).total_seconds()
    if left <= 0 and _may_try(provider):
        return
    raise ModelOverloaded(
        "The model's provider failed again and again, and is left alone for a while.",
        "provider_open",
        retry_after=max(1.0, left),
    )


def note(provider: Provider, error: ModelError | None) -> None:
    """Count how a request went; `error` is None when it was answered. A database that fails is no reason to fail."""
    try:
        if error is None:
            _succeeded(provider)
        elif error.retryable and error.code not in _NO_FAILURES:
            _failed(provider, f"{error.code}: {error.detail}")
    except Error:
        logger.warning("provider's state could not be written", extra={"provider": provider.name}, exc_info=True)


def note_probe(provider: Provider, error: ModelError | None) -> None:
    """Count how it went to ask for the list of models. A list undoes what lists did: it does not say that the provider
    answers questions again, where it failed at these."""
    if error is not None and counts(error):
        _failed(provider, f"{_AT_LISTING}{error.code}: {error.detail}")
    elif error is None:
        row = Provider.objects.filter(pk=provider.pk, last_failure__startswith=_AT_LISTING)
        if row.update(consecutive_failures=0, open_until=None, last_failure=""):
            logger.info("provider answers again", extra={"provider": provider.name})


def counts(error: ModelError) -> bool:
    """Whether a probe that failed so says that the provider is away: it has not much to do, and no answer is one."""
    return isinstance(error, ModelTimeout) or (error.retryable and error.code not in _NO_FAILURES)


def _may_try(provider: Provider) -> bool:
    due = Provider.objects.filter(pk=provider.pk, open_until__lte=Now())
    return due.update(open_until=_from_now(_TRIAL)) == 1


def _succeeded(provider: Provider) -> None:
    if provider.consecutive_failures or provider.open_until:
        Provider.objects.filter(pk=provider.pk).update(consecutive_failures=0, open_until=None, last_failure="")
        logger.info("provider answers again", extra={"provider": provider.name})


def _failed(provider: Provider, failure: str) -> None:
    row = Provider.objects.filter(pk=provider.pk)
    row.update(consecutive_failures=F("consecutive_failures") + 1, last_failure=failure[:300])
    failures = row.values_list("consecutive_failures", flat=True).first() or 0
    if failures >= THRESHOLD:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - THRESHOLD, 10))
        row.update(open_until=_from_now(timedelta(seconds=pause)))
        logger.warning("provider left alone", extra={"provider": provider.name, "failures": failures, "seconds": pause})


def _from_now(delay: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())
