"""How an administrator's program puts models into the registry, and sees all that stands in it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from modelsregistry.errors import ModelMisconfigured
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.registry import BUILT_IN, LOCAL_LLM

_OWN = (BUILT_IN, LOCAL_LLM)


@dataclass(frozen=True, slots=True)
class Registration:
    """A model to be offered. What is None stays as it is, or has its default where the model is new.

    `provider` is a provider's name; `upstream_id` is what it calls the model. Lengths are in tokens.
    """

    id: str
    name: str | None = None
    provider: str | None = None
    upstream_id: str | None = None
    description: str | None = None
    vision: bool | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    enabled: bool | None = None


def registered() -> tuple[RegisteredModel, ...]:
    """Every model of the registry, those that are switched off too, with its provider. One query."""
    return tuple(RegisteredModel.objects.select_related("provider"))


def find(model_id: str) -> RegisteredModel | None:
    """The model that is registered under this id."""
    return RegisteredModel.objects.select_related("provider").filter(public_id=model_id).first()


def register(wanted: Registration) -> tuple[RegisteredModel, bool]:
    """Make or change the row of a model, and vouch that it is there. The second value says whether it is new.

    A new model that names no provider belongs to the only one there is beside the built-in. Raises
    `ModelMisconfigured`, with the choices, where there is not exactly one.
    """
    with transaction.atomic():
        known = RegisteredModel.objects.select_for_update().filter(public_id=wanted.id).first()
        if known is not None:
            provider = _named(wanted.provider) if wanted.provider else known.provider
            return _changed(known, wanted, provider), False
        provider = _named(wanted.provider) if wanted.provider else _only_one()
        model, is_new = RegisteredModel.objects.get_or_create(
            public_id=wanted.id, defaults={"provider": provider, "name": wanted.id, "upstream_id": wanted.id}
        )
        return _changed(model, wanted, provider), is_new


def _changed(model: RegisteredModel, wanted: Registration, provider: Provider) -> RegisteredModel:
    given = {
        "name": wanted.name,
        "upstream_id": wanted.upstream_id,
        "description": wanted.description,
        "vision": wanted.vision,
        "context_length": wanted.context_length,
        "max_output_tokens": wanted.max_output_tokens,
        "enabled": wanted.enabled,
    }
    for column, value in given.items():
        if value is not None:
            setattr(model, column, value)
    # From now on it is the administrator's word, and no list of the environment's provider, that it is there.
    model.provider, model.available, model.reason, model.from_environment = provider, True, "", False
    model.save()
    return model


def _named(name: str) -> Provider:
    provider = Provider.objects.filter(name__iexact=name).order_by("id").first()
    if provider is None:
        raise ModelMisconfigured(f"There is no provider “{name[:100]}”. {_choices()}", "unknown_provider")
    return provider


def _only_one() -> Provider:
    others = list(Provider.objects.filter(enabled=True).exclude(models__public_id__in=_OWN)[:2])
    if len(others) != 1:
        raise ModelMisconfigured(f"Name the model's provider in the field provider. {_choices()}", "provider_required")
    return others[0]


def _choices() -> str:
    names = list(
        Provider.objects.filter(enabled=True).exclude(models__public_id__in=_OWN).values_list("name", flat=True)
    )
    return f"There are: {', '.join(names)}." if names else "No provider is configured yet."
