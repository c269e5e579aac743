"""What stands in the registry from the start: the built-in model, and the providers that the environment names.

Repeating it changes nothing but what the environment changed: an administrator's edits of a model stay, and so does
a provider that an administrator switched off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import transaction

from modelsregistry import secrets
from modelsregistry.contract import ListsModels
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.shipped import BUILT_IN_MODEL, OPENAI_MODELS, ModelSeed

logger = logging.getLogger(__name__)

_OPENAI = "https://api.openai.com/v1"
_VANISHED = "OPENAI_API_BASE_URL and OPENAI_API_KEY are no longer set."
_NOT_LISTED = "Neither OPENAI_API_MODELS nor the provider's own list names it any more."
_LISTING_SECONDS = 5.0


def provision(variables: Mapping[str, str]) -> None:
    """Bring the registry in line with `variables`; to be called after the migrations, any number of times.

    Reads `OPENAI_API_BASE_URL`, `OPENAI_API_KEY`, `OPENAI_API_MODELS` and `API_V2_ADMIN_MODEL`. Raises
    `ImproperlyConfigured`, naming the variable, when one is malformed; a provider that does not answer is no error.
    """
    _provide_built_in()
    provider = _environment_provider(variables)
    if provider is not None:
        _provide_models(provider, variables)
    _renew_secrets()


def _provide_built_in() -> None:
    with transaction.atomic():
        provider, _ = Provider.objects.get_or_create(kind="local", defaults={"name": "Built-in"})
        _register(provider, BUILT_IN_MODEL, from_environment=False)


def _environment_provider(variables: Mapping[str, str]) -> Provider | None:
    """The provider that the variables describe, as they describe it now; None when they are not set."""
    provider = Provider.objects.filter(kind="openai_compatible", from_environment=True).first()
    url, key = variables.get("OPENAI_API_BASE_URL", "").rstrip("/"), variables.get("OPENAI_API_KEY", "")
    if not (url or key):
        if provider is not None and provider.enabled:
            _switch(provider, enabled=False, reason=_VANISHED)
        return None
    if provider is None:
        provider = Provider(name=_free_name(), kind="openai_compatible", from_environment=True)
    _point(provider, url or _OPENAI, key)
    if provider.disabled_reason == _VANISHED:
        _switch(provider, enabled=True, reason="")
    return provider


def _point(provider: Provider, url: str, key: str) -> None:
    """Save the address and the secret if they differ from what is stored."""
    if provider.base_url != url:
        provider.base_url = url
        # OpenAI's own service refuses max_tokens for its newer models; those that imitate it know nothing else.
        provider.options = {"token_cap_field": "max_completion_tokens" if _is_openai(url) else "max_tokens"}
    try:
        unchanged = provider.secret == key
    except ModelError:
        unchanged = False
    if not unchanged:
        provider.secret = key
    try:
        provider.clean()
    except ValidationError as error:
        raise ImproperlyConfigured(f"OPENAI_API_BASE_URL, OPENAI_API_KEY: {error.messages[0]}") from None
    provider.save()


def _provide_models(provider: Provider, variables: Mapping[str, str]) -> None:
    listed = _listed(variables.get("OPENAI_API_MODELS", ""))
    if not listed and _is_openai(provider.base_url):
        listed = OPENAI_MODELS
    known = listed or _discovered(provider)
    wanted = variables.get("API_V2_ADMIN_MODEL", "")
    seeds = {seed.public_id: seed for seed in known}
    if wanted:
        seeds.setdefault(wanted, ModelSeed(public_id=wanted, upstream_id=wanted))
    with transaction.atomic():
        for seed in seeds.values():
            _register(provider, seed, from_environment=True)
        if known:  # else the provider did not answer, which says nothing about its models
            _note_who_is_listed(provider, seeds)


def _listed(value: str) -> tuple[ModelSeed, ...]:
    """`OPENAI_API_MODELS`: ids with commas between them; `:vision` after an id says that the model sees pictures."""
    names = [name.strip() for name in value.split(",")]
    return tuple(
        ModelSeed(public_id=upstream, upstream_id=upstream, vision=name.endswith(":vision"))
        for name in names
        if (upstream := name.removesuffix(":vision"))
    )


def _discovered(provider: Provider) -> tuple[ModelSeed, ...]:
    """What the provider lists; nothing when it does not answer now. Whether a model sees pictures no list tells."""
    try:
        driver = provider.driver(model="any")
        if not isinstance(driver, ListsModels):
            return ()
        models = driver.upstream_models(time.monotonic() + _LISTING_SECONDS)
    except ModelError as error:
        logger.warning("provider did not list its models", extra={"provider": provider.name, "code": error.code})
        return ()
    return tuple(
        ModelSeed(public_id=model.id, upstream_id=model.id, context_length=model.context_length)
        for model in models
        if len(model.id) <= 200
    )


def _register(provider: Provider, seed: ModelSeed, *, from_environment: bool) -> None:
    """Make the model's row where there is none; one that exists, at whatever provider, is left as it is."""
    seed = seed if seed.name else replace(seed, name=seed.public_id)
    RegisteredModel.objects.get_or_create(
        public_id=seed.public_id,
        defaults={
            "provider": provider,
            "upstream_id": seed.upstream_id,
            "name": seed.name,
            "vision": seed.vision,
            "description": seed.description,
            "context_length": seed.context_length,
            "max_output_tokens": seed.max_output_tokens,
            "from_environment": from_environment,
        },
    )


def _note_who_is_listed(provider: Provider, public_ids: Iterable[str]) -> None:
    ours = provider.models.filter(from_environment=True)
    ours.exclude(public_id__in=public_ids).update(available=False, reason=_NOT_LISTED)
    ours.filter(public_id__in=public_ids, reason=_NOT_LISTED).update(available=True, reason="")


def _renew_secrets() -> None:
    """Bring every secret under the current key, so that a former one can leave `SECRET_KEY_FALLBACKS`."""
    for provider in Provider.objects.exclude(secret_encrypted=""):
        if secrets.is_current(provider.secret_encrypted):
            continue
        try:
            provider.secret_encrypted = secrets.renew(provider.secret_encrypted)
        except ModelError as error:
            logger.error("provider secret unreadable", extra={"provider": provider.name, "code": error.code})
            continue
        provider.save(update_fields=["secret_encrypted", "updated_at"])


def _switch(provider: Provider, *, enabled: bool, reason: str) -> None:
    provider.enabled, provider.disabled_reason = enabled, reason
    provider.save(update_fields=["enabled", "disabled_reason", "updated_at"])


def _free_name() -> str:
    return "OpenAI (environment)" if Provider.objects.filter(name="OpenAI").exists() else "OpenAI"


def _is_openai(url: str) -> bool:
    return urlsplit(url).hostname == "api.openai.com"
