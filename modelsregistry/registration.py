"""How an administrator's program puts models into the registry, and sees all that stands in it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from django.contrib.auth.models import Group, User
from django.db import transaction

from modelsregistry.contract import ListsModels
from modelsregistry.errors import ModelError, ModelMisconfigured
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.registry import BUILT_IN, LOCAL_LLM
from modelsregistry.vendors import is_among, shipped

# What a model may refuse: the fields of a request that can be left out.
REFUSABLE = ("temperature", "max_tokens", "response_schema")

_OWN = (BUILT_IN, LOCAL_LLM)
_LISTING_SECONDS = 3.0
_ASKED_AT_MOST = 5  # providers


class Unset(Enum):
    """What nobody gave."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Registration:
    """A model to be offered, or what to change of one. What is not given stays as it is, or has its default where the
    model is new; None takes away what can be without.

    `provider` is a provider's name; `upstream_id` is what it calls the model. Lengths are in tokens, prices in US
    dollars for a million, `timeout` is in seconds. `fallbacks` are public ids in order; users and groups have names.
    """

    id: str
    provider: str | Unset = UNSET
    name: str | Unset = UNSET
    upstream_id: str | Unset = UNSET
    description: str | Unset = UNSET
    vision: bool | Unset = UNSET
    native_pdf: bool | Unset = UNSET
    structured_output: bool | Unset = UNSET
    context_length: int | Unset | None = UNSET
    max_output_tokens: int | Unset | None = UNSET
    refused_fields: tuple[str, ...] | Unset = UNSET
    temperature: float | Unset | None = UNSET
    max_tokens: int | Unset | None = UNSET
    timeout: float | Unset | None = UNSET
    input_price: Decimal | Unset | None = UNSET
    cached_input_price: Decimal | Unset | None = UNSET
    output_price: Decimal | Unset | None = UNSET
    fallbacks: tuple[str, ...] | Unset = UNSET
    allowed_users: tuple[str, ...] | Unset = UNSET
    allowed_groups: tuple[str, ...] | Unset = UNSET
    enabled: bool | Unset = UNSET

    def columns(self) -> dict[str, Any]:
        """What was given of the model's own columns."""
        elsewhere = ("id", "provider", "allowed_users", "allowed_groups")
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in elsewhere}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not UNSET
        }


class Witness:
    """Sees each change of a model's row, inside its transaction. This one looks away."""

    def changing(self, model: RegisteredModel, *, is_new: bool) -> AbstractContextManager[None]:
        """Opened around what is changed of a row that is in the table already."""
        return nullcontext()

    def deleting(self, model: RegisteredModel) -> None:
        """Called before a row is deleted."""


NOBODY = Witness()


def registered() -> tuple[RegisteredModel, ...]:
    """Every model of the registry, those that are switched off too, with its provider and who may use it."""
    found = RegisteredModel.objects.select_related("provider")
    return tuple(found.prefetch_related("allowed_users", "allowed_groups"))


def find(model_id: str) -> RegisteredModel | None:
    """The model that is registered under this id."""
    return RegisteredModel.objects.select_related("provider").filter(public_id=model_id).first()


def register(wanted: Registration, witness: Witness = NOBODY) -> tuple[RegisteredModel, bool]:
    """Make or change the row of a model, and vouch that it is there. The second value says whether it is new.

    A new model that names no provider belongs to the one whose dialect or list knows it, or else to the only one there
    is beside the built-in; what the service knows of it from the start completes it. Raises `ModelMisconfigured`, with
    the choices, where no provider, or a model, user or group that does not exist, is meant.
    """
    is_known = RegisteredModel.objects.filter(public_id=wanted.id).exists()
    provider = _named(wanted.provider) if wanted.provider is not UNSET else None
    if provider is None and not is_known:
        provider = _provider_for(wanted)
    with transaction.atomic():
        if provider is None:
            model, is_new = RegisteredModel.objects.select_for_update().get(public_id=wanted.id), False
        else:
            model, is_new = RegisteredModel.objects.select_for_update().get_or_create(
                public_id=wanted.id, defaults={"provider": provider, "name": wanted.id, "upstream_id": wanted.id}
            )
        with witness.changing(model, is_new=is_new):
            if provider is not None:
                model.provider = provider
            if is_new:
                _complete(model)
            _vouch(model)
            _change(model, wanted)
    return model, is_new


def change(wanted: Registration, witness: Witness = NOBODY) -> RegisteredModel | None:
    """Change what is given of a model that there is; None where there is none. Raises as `register` does."""
    provider = _named(wanted.provider) if wanted.provider is not UNSET else None
    with transaction.atomic():
        model = RegisteredModel.objects.select_for_update().filter(public_id=wanted.id).first()
        if model is None:
            return None
        with witness.changing(model, is_new=False):
            if provider is not None:
                model.provider = provider
            if provider is not None or wanted.upstream_id is not UNSET:
                _vouch(model)
            _change(model, wanted)
    return model


def remove(model_id: str, witness: Witness = NOBODY) -> bool:
    """Delete a model; whether there was one. Raises `ModelMisconfigured` for one that would be back after a start."""
    with transaction.atomic():
        model = RegisteredModel.objects.select_for_update().filter(public_id=model_id).first()
        if model is None:
            return False
        if model.from_environment or model.public_id == BUILT_IN:
            raise ModelMisconfigured(
                "This model would be back at the next start. Switch it off instead: enabled=false.", "model_provisioned"
            )
        witness.deleting(model)
        model.delete()
    return True


def _vouch(model: RegisteredModel) -> None:
    """From now on it is the administrator's word, and not the environment's, that it is there."""
    model.available, model.reason, model.from_environment = True, "", False


def _complete(model: RegisteredModel) -> None:
    """Take over what is known of this model from the start, where it is at its vendor's own service."""
    known = shipped(model.public_id)
    if known is None:
        return
    vendor, seed = known
    at_home = vendor.is_home(model.provider.base_url) or not vendor.models_at_home
    if vendor.kind == model.provider.kind and at_home:
        for column, value in seed.columns().items():
            setattr(model, column, value)


def _change(model: RegisteredModel, wanted: Registration) -> None:
    if wanted.fallbacks is not UNSET:
        _require_fallbacks(model.public_id, wanted.fallbacks)
    for column, value in wanted.columns().items():
        setattr(model, column, value)
    model.save()
    if wanted.allowed_users is not UNSET:
        model.allowed_users.set(_users(wanted.allowed_users))
    if wanted.allowed_groups is not UNSET:
        model.allowed_groups.set(_groups(wanted.allowed_groups))
    if (wanted.allowed_users, wanted.allowed_groups) != (UNSET, UNSET):
        model.is_limited = model.allowed_users.exists() or model.allowed_groups.exists()
        model.save(update_fields=["is_limited"])


def _require_fallbacks(model_id: str, wanted: tuple[str, ...]) -> None:
    if model_id in wanted or len(set(wanted)) < len(wanted):
        raise ModelMisconfigured("A model stands in once, and never for itself.", "fallback_repeated")
    known = set(RegisteredModel.objects.filter(public_id__in=wanted).values_list("public_id", flat=True))
    _require_none("model", (name for name in wanted if name not in known), "unknown_model")


def _users(names: tuple[str, ...]) -> list[User]:
    found = {user.username: user for user in User.objects.filter(username__in=names)}
    _require_none("user", (name for name in names if name not in found), "unknown_user")
    return list(found.values())


def _groups(names: tuple[str, ...]) -> list[Group]:
    found = {group.name: group for group in Group.objects.filter(name__in=names)}
    _require_none("group", (name for name in names if name not in found), "unknown_group")
    return list(found.values())


def _require_none(what: str, missing: Iterable[str], code: str) -> None:
    shown = ", ".join(f"“{name[:100]}”" for name in list(missing)[:10])
    if shown:
        raise ModelMisconfigured(f"There is no {what} {shown}.", code)


def _named(name: str) -> Provider:
    provider = Provider.objects.filter(name__iexact=name).order_by("id").first()
    if provider is None:
        raise ModelMisconfigured(f"There is no provider “{name[:100]}”. {_choices()}", "unknown_provider")
    return provider


def _provider_for(wanted: Registration) -> Provider:
    candidates = list(Provider.objects.filter(enabled=True).exclude(models__public_id__in=_OWN).order_by("id"))
    if len(candidates) == 1:
        return candidates[0]
    known = shipped(wanted.id)
    if known is not None:
        alike = [provider for provider in candidates if provider.kind == known[0].kind]
        at_home = [provider for provider in alike if known[0].is_home(provider.base_url)]
        if len(at_home or alike) == 1:
            return (at_home or alike)[0]
    upstream_id = wanted.id if wanted.upstream_id is UNSET else wanted.upstream_id
    listing = [provider for provider in candidates[:_ASKED_AT_MOST] if _lists(provider, upstream_id)]
    if len(listing) != 1:
        raise ModelMisconfigured(f"Name the model's provider in the field provider. {_choices()}", "provider_required")
    return listing[0]


def _lists(provider: Provider, upstream_id: str) -> bool:
    try:
        driver = provider.driver(model="any")
        models = driver.upstream_models(time.monotonic() + _LISTING_SECONDS) if isinstance(driver, ListsModels) else ()
    except ModelError:
        return False
    return is_among(upstream_id, frozenset(model.id for model in models))


def _choices() -> str:
    names = list(
        Provider.objects.filter(enabled=True).exclude(models__public_id__in=_OWN).values_list("name", flat=True)
    )
    return f"There are: {', '.join(names)}." if names else "No provider is configured yet."
