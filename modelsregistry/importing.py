"""Takes the models that a provider lists into the registry, with what it says they can do and cost."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from modelsregistry.contract import ListsModels, UpstreamModel
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.models import Provider, RegisteredModel

logger = logging.getLogger(__name__)

_LISTING_SECONDS = 30.0
_LONGEST_ID = 200
_SIZES = ("context_length", "max_output_tokens", "input_price", "output_price")
_ABILITIES = ("vision", "native_pdf", "structured_output")
_LARGEST_SIZE = 2_147_483_647


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Public ids: what is new, what was completed, what was complete already. `skipped` are upstream ids that are too
    long, or whose public ids name models of other providers."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def import_models(provider: Provider, seconds: float = _LISTING_SECONDS) -> ImportSummary:
    """Ask the provider for its models, for `seconds` at most, and register them.

    A new model takes over all that is said of it. One that is registered is completed alone: sizes and prices where
    there are none, abilities that it is now said to have; what an administrator set is not taken back. A public id that
    another provider's model has is preceded by the provider's name. Raises `ModelError`.
    """
    driver = provider.driver(model="any")
    if not isinstance(driver, ListsModels):
        raise ModelMisconfigured("The dialect of this provider has no list of models.", "models_not_listed")
    found: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": [], "skipped": []}
    for upstream in driver.upstream_models(time.monotonic() + seconds):
        with transaction.atomic():
            outcome, name = _take_in(provider, upstream)
        found[outcome].append(name)
    summary = ImportSummary(**{outcome: tuple(names) for outcome, names in found.items()})
    logger.info(
        "models imported",
        extra={"provider": provider.name, **{f"models_{outcome}": len(names) for outcome, names in found.items()}},
    )
    return summary


def _take_in(provider: Provider, upstream: UpstreamModel) -> tuple[str, str]:
    """What came of one model, as a field of the summary, and under which name."""
    known = list(provider.models.select_for_update().filter(upstream_id=upstream.id))
    if known:
        changed = [model for model in known if _complete(model, upstream)]
        return ("updated" if changed else "unchanged"), (changed or known)[0].public_id
    public_id = _free_id(provider, upstream.id)
    if public_id is None:
        return "skipped", upstream.id[:_LONGEST_ID]
    said = {name: _storable(name, getattr(upstream, name)) for name in (*_SIZES, *_ABILITIES)}
    model, is_new = RegisteredModel.objects.get_or_create(
        public_id=public_id,
        defaults={
            "provider": provider,
            "upstream_id": upstream.id,
            "name": (upstream.name or upstream.id)[:_LONGEST_ID],
            **{name: value for name, value in said.items() if value is not None},
        },
    )
    if is_new:
        return "created", public_id
    return ("unchanged", public_id) if model.provider_id == provider.pk else ("skipped", upstream.id)


def _complete(model: RegisteredModel, upstream: UpstreamModel) -> bool:
    """Fill in what is missing, and say whether anything was."""
    missing: dict[str, Any] = {
        **{name: getattr(upstream, name) for name in _SIZES if getattr(model, name) is None},
        **{name: True for name in _ABILITIES if getattr(upstream, name) is True and not getattr(model, name)},
    }
    told = {name: _storable(name, value) for name, value in missing.items()}
    changes = {name: value for name, value in told.items() if value is not None}
    for name, value in changes.items():
        setattr(model, name, value)
    if changes:
        model.save(update_fields=[*changes, "updated_at"])
    return bool(changes)


def _free_id(provider: Provider, upstream_id: str) -> str | None:
    """The public id for a model of this provider; None when there is none left."""
    if len(upstream_id) > _LONGEST_ID:
        return None
    candidates = (upstream_id, f"{slugify(provider.name) or provider.pk}/{upstream_id}")
    taken = set(RegisteredModel.objects.filter(public_id__in=candidates).values_list("public_id", flat=True))
    return next((name for name in candidates if name not in taken and len(name) <= _LONGEST_ID), None)


def _storable(name: str, value: Any) -> Any:
    """None for a size that no column takes."""
    return None if name in _SIZES[:2] and value is not None and value > _LARGEST_SIZE else value
