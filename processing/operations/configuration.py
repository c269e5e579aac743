"""Changing and showing the whole configuration: the parameters, and the registry's settings of single models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction

from modelsregistry import registry
from processing.runtime import configuration
from processing.runtime.configuration import InForce
from processing.runtime.parameters import ModelSettings

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SETTINGS_OF_MODELS = tuple(ModelSettings.model_fields)


def change(partial: Mapping[str, Any], *, author: User | None, reason: str = "") -> InForce:
    """Change some settings, all of them or none. What `model_configs` says of a registered model is written to its
    row too, so that both always tell the same. Raises `InvalidInput`."""
    with transaction.atomic():
        before = configuration.current().parameters.model_configs
        in_force = configuration.change(partial, author=author, reason=reason)
        if "model_configs" in partial:
            named = partial["model_configs"]
            for model_id, settings in (dict.fromkeys(before) if named is None else named).items():
                keys = SETTINGS_OF_MODELS if settings is None else settings
                registry.configure(model_id, {key: _stored(in_force, model_id, key) for key in keys})
    return in_force


def _stored(in_force: InForce, model_id: str, key: str) -> Any:
    """What was set for a model at run time; None where nothing was, and the defaults hold."""
    if in_force.sources.get(f"model_configs.{model_id}.{key}") != "stored":
        return None
    return getattr(in_force.parameters.model_configs[model_id], key)


def document() -> dict[str, Any]:
    """The configuration in force as JSON, without secrets: `api_v2`, and for each dotted key in `sources` where its
    value comes from (`default`, `environment:<VARIABLE>`, `stored`, `registry`)."""
    whole = configuration.as_document(configuration.current())
    for entry in registry.catalogue():
        for key in SETTINGS_OF_MODELS:
            value, name = getattr(entry, key), f"model_configs.{entry.id}.{key}"
            known = whole["api_v2"]["model_configs"].setdefault(entry.id, {})
            if value is not None and known.get(key) != value:
                known[key] = value
                whole["sources"][name] = "registry"
        if not whole["api_v2"]["model_configs"][entry.id]:
            del whole["api_v2"]["model_configs"][entry.id]
    return whole
