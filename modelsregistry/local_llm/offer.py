"""The local LLM's place in the registry: offered while it is served, switched off with a reason when it is not."""

from __future__ import annotations

import logging
from decimal import Decimal

from django.db import transaction
from django.db.models.functions import Now

from modelsregistry.local_llm.child import Serving
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.registry import LOCAL_LLM

logger = logging.getLogger(__name__)

PROVIDER = "Local LLM"
_KIND = "openai_compatible"
_PREFIX = "Not served: "
_AT_ONCE = 2  # one is answered; one waits at the server, so that its core does not
_MAX_TOKENS = 1024  # a small model may go on until its context is full
_TEMPERATURE = 0.1


class TakenError(Exception):
    """The administrator uses the provider's name, or the model's id, for something else; the message says what."""


def offer(serving: Serving) -> None:
    """Register what is served, or bring its rows up to date. What an administrator has set or switched off stays so.

    Raises `TakenError`.
    """
    with transaction.atomic():
        provider, _ = Provider.objects.select_for_update().get_or_create(
            name=PROVIDER,
            defaults={
                "kind": _KIND,
                "base_url": serving.base_url,
                "allow_private": True,
                "max_concurrency": _AT_ONCE,
            },
        )
        _require_ours(provider)
        provider.base_url, provider.secret, provider.allow_private = serving.base_url, serving.secret, True
        if provider.disabled_reason.startswith(_PREFIX):
            provider.enabled, provider.disabled_reason = True, ""
        provider.consecutive_failures, provider.open_until = 0, None
        provider.save()
        model, _ = RegisteredModel.objects.get_or_create(
            public_id=LOCAL_LLM,
            defaults={
                "provider": provider,
                "upstream_id": LOCAL_LLM,
                "name": "Local LLM",
                "description": "A language model on this host: nothing leaves the machine.",
                "max_tokens": _MAX_TOKENS,
                "temperature": _TEMPERATURE,
                "structured_output": True,
            },
        )
        if model.provider_id != provider.pk:
            raise TakenError(f"The model {LOCAL_LLM} is registered at the provider “{model.provider.name}”.")
        model.context_length, model.vision, model.available, model.reason = serving.context, serving.vision, True, ""
        if model.input_price is None and model.output_price is None:
            model.input_price = model.output_price = Decimal(0)  # Nobody sends a bill for it.
        model.save()


def withdraw(reason: str) -> None:
    """Switch the provider off, if it is on; clients are told that there is no such model, administrators the reason."""
    found = Provider.objects.filter(name=PROVIDER, kind=_KIND, models__public_id=LOCAL_LLM)
    changed = Provider.objects.filter(pk__in=found.values("pk"), enabled=True).update(
        enabled=False, disabled_reason=f"{_PREFIX}{reason}", updated_at=Now()
    )
    if changed:
        logger.info("local LLM withdrawn", extra={"reason": reason})


def _require_ours(provider: Provider) -> None:
    if provider.kind != _KIND:
        raise TakenError(f"A provider of another kind is called “{PROVIDER}”.")
