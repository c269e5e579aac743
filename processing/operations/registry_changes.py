"""Changing the registry of models on somebody's behalf, so that the audit tells of it in the same transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from modelsregistry import importing, registration
from modelsregistry.importing import ImportSummary
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.registration import Registration, Witness
from processing.access import audit
from processing.access.audit import Actor, Target


@dataclass(frozen=True, slots=True)
class _Audit(Witness):
    by: Actor

    def changing(self, model: RegisteredModel, *, is_new: bool) -> AbstractContextManager[None]:
        return audit.changing(self.by, "model", model, model.public_id, is_new=is_new)

    def deleting(self, model: RegisteredModel) -> None:
        audit.record(self.by, "deleted", Target("model", str(model.pk), model.public_id), audit.values_of(model))


def register(wanted: Registration, by: Actor) -> tuple[RegisteredModel, bool]:
    """As `registration.register`."""
    return registration.register(wanted, _Audit(by))


def change(wanted: Registration, by: Actor) -> RegisteredModel | None:
    """As `registration.change`."""
    return registration.change(wanted, _Audit(by))


def remove(model_id: str, by: Actor) -> bool:
    """As `registration.remove`."""
    return registration.remove(model_id, _Audit(by))


def import_models(provider: Provider, by: Actor) -> ImportSummary:
    """As `importing.import_models`. Each model is a transaction of its own there, so what was done is told afterwards.
    Raises `ModelError`."""
    summary = importing.import_models(provider)
    if summary.created or summary.updated:
        audit.record(
            by,
            "models_imported",
            Target("provider", str(provider.pk), provider.name),
            {"created": summary.created, "updated": summary.updated},
        )
    return summary
