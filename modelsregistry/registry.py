"""The models that this service offers, and the way to an answer from any of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from django.db.models import QuerySet
from django.db.models.functions import Now

from modelsregistry.contract import GenerationRequest, GenerationResult, ignore_text
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.models import Provider, RegisteredModel

logger = logging.getLogger(__name__)

BUILT_IN = "local"
_NAMED_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as it is offered: `id` is what clients call it, `provider` the provider's name, `context_length`,
    `max_output_tokens` and `max_tokens` are in tokens, `timeout` is in seconds. `temperature`, `max_tokens` and
    `timeout` are the model's own settings, None without. `reason` says why it is not `available`."""

    id: str
    name: str
    provider: str
    provider_kind: str
    description: str
    vision: bool
    context_length: int | None
    max_output_tokens: int | None
    temperature: float | None
    max_tokens: int | None
    timeout: float | None
    available: bool
    reason: str


def catalogue() -> tuple[ModelEntry, ...]:
    """The enabled models of the enabled providers, the oldest provider's first. One query."""
    return tuple(_entry(model) for model in _offered())


def find(model_id: str) -> ModelEntry:
    """The model that clients call so, available or not. Raises `ModelMisconfigured`, which says what there is."""
    return _entry(_model(model_id))


def default_model(wanted: str, *, chosen: bool) -> ModelEntry:
    """The model for a request that names none.

    `wanted` is the parameter `admin_model`; `chosen` says whether an operator set it. Where nobody did, and no provider
    but the built-in one is configured, the built-in model answers. A model that was chosen is never swapped for
    another: raises `ModelMisconfigured` when it cannot serve.
    """
    entries = {entry.id: entry for entry in catalogue()}
    found = entries.get(wanted if chosen or _providers_configured() else BUILT_IN)
    if found is None or not found.available:
        raise ModelMisconfigured(
            f"The default model {_quoted(wanted)} cannot serve. Name one in the field model, or have an administrator "
            f"change admin_model (environment: API_V2_ADMIN_MODEL). {_choices(tuple(entries))}",
            "default_model_unavailable",
        )
    return found


def generate(request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
    """Ask the model that the request names, with the model's own settings where the request has none.

    Calls `on_text` with each piece of the answer as it arrives. The result's `model` is the public id; its `details`
    say who answered under which name. Raises `modelsregistry.errors.ModelError`.
    """
    model = _model(request.model)
    driver = model.provider.driver(
        model.upstream_id,
        vision=model.vision,
        native_pdf=model.native_pdf,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
    )
    fitted, dropped = _fitted(request, model)
    started = time.monotonic()
    result = driver.generate(fitted, on_text)
    logger.info(
        "model answered",
        extra={
            "model": model.public_id,
            "provider": model.provider.name,
            "finish_reason": result.finish_reason,
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "seconds": round(time.monotonic() - started, 3),
        },
    )
    details = {**result.details, "provider": model.provider.name, "upstream_model": result.model}
    return replace(result, model=model.public_id, dropped=(*dropped, *result.dropped), details=details)


def configure(model_id: str, settings: Mapping[str, float | None]) -> None:
    """Set a model's own `temperature`, `max_tokens` and `timeout`, those that are given; None takes one away.

    An id that is not registered is left alone: its settings wait for it in the configuration.
    """
    unknown = sorted(set(settings) - {"temperature", "max_tokens", "timeout"})
    if unknown:
        raise ValueError(f"no settings of a model: {', '.join(unknown)}")
    if settings:
        RegisteredModel.objects.filter(public_id=model_id).update(**settings, updated_at=Now())


def _fitted(request: GenerationRequest, model: RegisteredModel) -> tuple[GenerationRequest, tuple[str, ...]]:
    """The request as this model takes it, and the fields that it does not take."""
    temperature = model.temperature if request.temperature is None else request.temperature
    refused = "temperature" in model.refused_fields and temperature is not None
    wanted = model.max_tokens if request.max_tokens is None else request.max_tokens
    timeout = model.answer_timeout
    caps = [cap for cap in (wanted, model.max_output_tokens) if cap is not None]
    fitted = replace(
        request,
        temperature=None if refused else temperature,
        max_tokens=None if wanted is None else min(caps),
        deadline=request.deadline if timeout is None else min(request.deadline, time.monotonic() + timeout),
    )
    return fitted, ("temperature",) if refused else ()


def _offered() -> QuerySet[RegisteredModel]:
    return RegisteredModel.objects.filter(enabled=True, provider__enabled=True).select_related("provider")


def _model(model_id: str) -> RegisteredModel:
    try:
        return _offered().get(public_id=model_id)
    except RegisteredModel.DoesNotExist:
        names = tuple(_offered().values_list("public_id", flat=True))
        raise ModelMisconfigured(f"There is no model {_quoted(model_id)}. {_choices(names)}", "unknown_model") from None


def _providers_configured() -> bool:
    """Whether anything but the built-in model's own provider is there to be asked."""
    return Provider.objects.filter(enabled=True).exclude(models__public_id=BUILT_IN).exists()


def _choices(names: tuple[str, ...]) -> str:
    if not names:
        return "No model is configured."
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return f"There are: {shown}." if len(names) <= _NAMED_AT_MOST else f"There are {len(names)}, among them: {shown}."


def _quoted(model_id: str) -> str:
    return f"“{model_id[:100]}”"


def _entry(model: RegisteredModel) -> ModelEntry:
    return ModelEntry(
        id=model.public_id,
        name=model.name,
        provider=model.provider.name,
        provider_kind=model.provider.kind,
        description=model.description,
        vision=model.vision,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        temperature=model.temperature,
        max_tokens=model.max_tokens,
        timeout=model.answer_timeout,
        available=model.available,
        reason=model.reason,
    )
