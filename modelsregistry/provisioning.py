"""What stands in the registry from the start: the built-in model, and the providers that the environment names.

Repeating it changes nothing but what the environment changed: an administrator's edits of a model stay, and so does
a provider that an administrator switched off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import transaction
from django.db.models.functions import Now

from modelsregistry import availability, secrets
from modelsregistry.availability import NOT_LISTED
from modelsregistry.contract import ListsModels, UpstreamModel
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.shipped import BUILT_IN_MODEL, ModelSeed
from modelsregistry.vendors import VENDORS, Vendor, shipped

logger = logging.getLogger(__name__)

_LISTING_SECONDS = 5.0
_LONGEST_ID = 200
_LARGEST_SIZE = 2_147_483_647
_HIGHEST_PRICE = Decimal(999_999)
Size = TypeVar("Size", int, Decimal)


def provision(variables: Mapping[str, str]) -> None:
    """Bring the registry in line with `variables`; to be called after the migrations, any number of times.

    Reads the variables of `VENDORS` and `API_V2_ADMIN_MODEL`. Raises `ImproperlyConfigured`, naming the variable, when
    one is malformed; a provider that does not answer is no error.
    """
    _provide_built_in()
    found = [(vendor, _environment_provider(vendor, variables)) for vendor in VENDORS]
    providers = [(vendor, provider) for vendor, provider in found if provider is not None]
    for vendor, provider in providers:
        _provide_models(vendor, provider, variables)
    _provide_default(providers, variables.get("API_V2_ADMIN_MODEL", ""))
    _renew_secrets()


def _provide_built_in() -> None:
    with transaction.atomic():
        provider, _ = Provider.objects.get_or_create(kind="local", defaults={"name": "Built-in"})
        _register(provider, BUILT_IN_MODEL, from_environment=False)
        # Rows from a time when it had no price: a budget of money would refuse it.
        unpriced = RegisteredModel.objects.filter(
            provider=provider, public_id=BUILT_IN_MODEL.public_id, input_price=None, output_price=None
        )
        unpriced.update(input_price=BUILT_IN_MODEL.input_price, output_price=BUILT_IN_MODEL.output_price)


def _environment_provider(vendor: Vendor, variables: Mapping[str, str]) -> Provider | None:
    """The provider that the variables describe, as they describe it now; None when they are not set."""
    named, key = _first(variables, vendor.address_variables).rstrip("/"), _first(variables, vendor.key_variables)
    url = named or (vendor.address if key else "")
    if key and not url:
        raise ImproperlyConfigured(f"{vendor.key_variables[0]} needs {vendor.address_variables[0]} beside it.")
    gone = f"{' and '.join(vendor.variables)} are no longer set."
    if not url:
        vanished = Provider.objects.filter(kind=vendor.kind, from_environment=True, enabled=True)
        vanished.update(enabled=False, disabled_reason=gone, updated_at=Now())
        return None
    _require_usable(vendor, url, key)
    with transaction.atomic():
        provider, _ = Provider.objects.get_or_create(
            kind=vendor.kind,
            from_environment=True,
            defaults={
                "name": _free_name(vendor),
                "base_url": url,
                "options": vendor.options(url),
                "allow_private": bool(named),
            },
        )
        if _bring_up_to_date(vendor, provider, url, key, gone):
            provider.save()
    return provider


def _first(variables: Mapping[str, str], names: Iterable[str]) -> str:
    return next((variables[name] for name in names if variables.get(name)), "")


def _require_usable(vendor: Vendor, url: str, key: str) -> None:
    draft = Provider(kind=vendor.kind, base_url=url, allow_private=True)
    draft.secret = key
    try:
        draft.clean()
    except ValidationError as error:
        raise ImproperlyConfigured(f"{', '.join(vendor.variables)}: {error.messages[0]}") from None


def _bring_up_to_date(vendor: Vendor, provider: Provider, url: str, key: str, gone: str) -> bool:
    """Take over what the variables say; returns whether that changed anything."""
    changed = False
    if provider.base_url != url:
        provider.base_url, provider.options, changed = url, vendor.options(url), True
        provider.allow_private = not vendor.is_home(url)
    if not _holds(provider, key):
        provider.secret, changed = key, True
    if provider.disabled_reason == gone:
        provider.enabled, provider.disabled_reason, changed = True, "", True
    return changed


def _holds(provider: Provider, key: str) -> bool:
    try:
        return provider.secret == key
    except ModelError:  # under a key of the service that is lost
        return False


def _provide_models(vendor: Vendor, provider: Provider, variables: Mapping[str, str]) -> None:
    """Make rows of what is known to be there. Without an answer of the provider nothing is known to have gone."""
    by_hand, at_home = vendor.named(variables), vendor.is_home(provider.base_url)
    own = vendor.models if at_home or not vendor.models_at_home else ()
    listed = None if by_hand or at_home else _discovered(provider)
    known = by_hand or (*own, *(listed or ()))
    wanted = variables.get("API_V2_ADMIN_MODEL", "")
    with transaction.atomic():
        for seed in known:
            _register(provider, seed, from_environment=True)
        if listed is not None:
            availability.note_listed(provider, frozenset(_ids(listed)), variables)
        elif by_hand or at_home:
            _note_who_is_known(provider, {seed.public_id for seed in known} | {wanted})


def _provide_default(providers: Iterable[tuple[Vendor, Provider]], wanted: str) -> None:
    """The default model, where nobody has it yet and a provider may serve it."""
    if not wanted or RegisteredModel.objects.filter(public_id=wanted).exists():
        return
    for vendor, provider in providers:
        if _may_serve(vendor, provider, wanted):
            _register(provider, ModelSeed(public_id=wanted, upstream_id=wanted), from_environment=True)
            return


def _may_serve(vendor: Vendor, provider: Provider, model_id: str) -> bool:
    """Whether a model that nobody listed can be at this provider. OpenAI-compatible servers of one's own often take
    more names than they list; a vendor's own list is complete, and only its silence leaves the question open."""
    if not vendor.models_variable:
        return vendor.is_home(provider.base_url) and model_id in _ids(_discovered(provider))
    if not vendor.is_home(provider.base_url):
        return True
    another = shipped(model_id)
    listed = _discovered(provider)
    return model_id in _ids(listed) or (not listed and (another is None or another[0] is vendor))


def _ids(seeds: Iterable[ModelSeed] | None) -> set[str]:
    return {seed.upstream_id for seed in seeds or ()}


def _discovered(provider: Provider) -> tuple[ModelSeed, ...] | None:
    """What the provider lists; None when it does not answer now. What no list tells is not guessed."""
    try:
        driver = provider.driver(model="any")
        if not isinstance(driver, ListsModels):
            return None
        models = driver.upstream_models(time.monotonic() + _LISTING_SECONDS)
    except ModelError as error:
        logger.warning("provider did not list its models", extra={"provider": provider.name, "code": error.code})
        return None
    return tuple(_seed(model) for model in models if len(model.id) <= _LONGEST_ID)


def _seed(model: UpstreamModel) -> ModelSeed:
    return ModelSeed(
        public_id=model.id,
        upstream_id=model.id,
        name=model.name[:_LONGEST_ID],
        vision=bool(model.vision),
        context_length=_storable(model.context_length, _LARGEST_SIZE),
        max_output_tokens=_storable(model.max_output_tokens, _LARGEST_SIZE),
        native_pdf=bool(model.native_pdf),
        structured_output=bool(model.structured_output),
        input_price=_storable(model.input_price, _HIGHEST_PRICE),
        output_price=_storable(model.output_price, _HIGHEST_PRICE),
    )


def _storable(value: Size | None, at_most: Size) -> Size | None:
    """None for what no column takes."""
    return value if value is not None and 0 < value <= at_most else None


def _register(provider: Provider, seed: ModelSeed, *, from_environment: bool) -> None:
    """Make the model's row where there is none; one that exists, at whatever provider, is left as it is."""
    seed = seed if seed.name else replace(seed, name=seed.public_id)
    RegisteredModel.objects.get_or_create(
        public_id=seed.public_id,
        defaults={
            "provider": provider,
            **seed.columns(),
            "available": not seed.reason,
            "reason": seed.reason,
            "from_environment": from_environment,
        },
    )


def _note_who_is_known(provider: Provider, public_ids: set[str]) -> None:
    ours = provider.models.filter(from_environment=True)
    ours.filter(available=True).exclude(public_id__in=public_ids).update(available=False, reason=NOT_LISTED)
    ours.filter(public_id__in=public_ids, reason=NOT_LISTED).update(available=True, reason="")


def _renew_secrets() -> None:
    """Bring every secret under the current key, so that a former one can leave `SECRET_KEY_FALLBACKS`."""
    for provider in Provider.objects.exclude(secret_encrypted="", headers_encrypted=""):
        renewed = [name for name in ("secret_encrypted", "headers_encrypted") if _renew(provider, name)]
        if renewed:
            provider.save(update_fields=[*renewed, "updated_at"])


def _renew(provider: Provider, field: str) -> bool:
    """Whether this field had to be brought under the current key, and could."""
    stored = getattr(provider, field)
    if secrets.is_current(stored):
        return False
    try:
        setattr(provider, field, secrets.renew(stored))
    except ModelError as error:
        logger.error("provider secret unreadable", extra={"provider": provider.name, "code": error.code})
        return False
    return True


def _free_name(vendor: Vendor) -> str:
    taken = Provider.objects.filter(name=vendor.name).exists()
    return f"{vendor.name} (environment)" if taken else vendor.name
