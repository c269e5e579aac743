"""What the providers that speak Ollama's dialect have pulled, as Ollama itself lists it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from modelsregistry.contract import ListsTags
from modelsregistry.discovery import all_drivers
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider

logger = logging.getLogger(__name__)

Rows = tuple[Mapping[str, Any], ...]

_SECONDS = 3.0  # that all providers together may take
_KEPT = 5.0  # seconds that an answer is repeated, as anybody may ask
_kept: dict[int, tuple[float, Rows]] = {}  # by provider: until when, and what
_asking = threading.Lock()


def all_tags() -> Rows:
    """The tags of every enabled provider of that dialect, each tag once. Raises `ModelError` where there are providers
    and none of them answers."""
    kinds = [kind for kind, driver in all_drivers().items() if issubclass(driver, ListsTags)]
    providers = list(Provider.objects.filter(kind__in=kinds, enabled=True).order_by("id"))
    found: dict[str, Mapping[str, Any]] = {}
    failures: list[ModelError] = []
    with _asking:  # One at a time in each process: those who wait find the answer.
        deadline = time.monotonic() + _SECONDS
        for provider in providers:
            try:
                rows = _tags_of(provider, deadline)
            except ModelError as error:
                logger.warning("provider did not list its tags", extra={"provider": provider.name, "code": error.code})
                failures.append(error)
                continue
            found = {str(row.get("name") or row.get("model")): row for row in rows} | found
    if failures and len(failures) == len(providers):
        raise failures[0]
    return tuple(found.values())


def forget() -> None:
    """Ask anew next time."""
    _kept.clear()


def _tags_of(provider: Provider, deadline: float) -> Rows:
    until, rows = _kept.get(provider.pk, (0.0, ()))
    if time.monotonic() < until:
        return rows
    driver = provider.driver(model="any")
    rows = driver.tags(deadline) if isinstance(driver, ListsTags) else ()
    _kept[provider.pk] = (time.monotonic() + _KEPT, rows)
    return rows
