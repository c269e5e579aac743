"""What one model is asked with, where a call does not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from modelsregistry.registry import ModelEntry
from processing.runtime.parameters import ModelSettings, Parameters


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """The three settings with nothing left open; `timeout` is in seconds."""

    temperature: float
    max_tokens: int
    timeout: float


def effective(model: ModelEntry, parameters: Parameters) -> EffectiveSettings:
    """The registry's own settings of the model before those of `model_configs`, and these before the service's."""
    configured = parameters.model_configs.get(model.id, ModelSettings())
    max_tokens = _first(model.max_tokens, configured.max_tokens, parameters.max_tokens)
    return EffectiveSettings(
        temperature=_first(model.temperature, configured.temperature, parameters.temperature),
        max_tokens=int(min(max_tokens, model.max_output_tokens or max_tokens)),
        timeout=_first(model.timeout, configured.timeout, parameters.timeout),
    )


def _first(own: float | None, configured: float | None, otherwise: float) -> float:
    if own is not None:
        return own
    return otherwise if configured is None else configured
