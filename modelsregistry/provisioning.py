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
from django.db.models.functions import Now

from modelsregistry import secrets
from modelsregistry.contract import ListsModels
from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.shipped import BUILT_IN_MODEL, OPENAI_MODELS, ModelSeed

logger = logging.getLogger(__name__)

_KIND = "openai_compatible"
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
    url, key = variables.get("OPENAI_API_BASE_URL", "").rstrip("/"), variables.get("OPENAI_API_KEY", "")
    if not (url or key):
        gone = Provider.objects.filter(kind=_KIND, from_environment=True, enabled=True)
        gone.update(enabled=False, disabled_reason=_VANISHED, updated_at=Now())
        return None
    url = url or _OPENAI
    _require_usable(url, key)
    with transaction.atomic():
        provider, _ = Provider.objects.get_or_create(
            kind=_KIND,
            from_environment=True,
            defaults={"name": _free_name(), "base_url": url, "options": _options(url), "allow_private": True},
        )
        if _bring_up_to_date(provider, url, key):
            provider.save()
    return provider


def _require_usable(url: str, key: str) -> None:
    draft = Provider(kind=_KIND, base_url=url, allow_private=True)
    draft.secret = key
    try:
        draft.clean()
    except ValidationError as error:
        raise ImproperlyConfigured(f"OPENAI_API_BASE_URL, OPENAI_API_KEY: {error.messages[0]}") from None


def _bring_up_to_date(provider: Provider, url: str, key: str) -> bool:
    """Take over what the variables say; returns whether that changed anything."""
    changed = False
    if provider.base_url != url:
        provider.base_url, provider.options, changed = url, _options(url), True
    if not _holds(provider, key):
        provider.secret, changed = key, True
    if provider.disabled_reason == _VANISHED:
        provider.enabled, provider.disabled_reason, changed = True, "", True
    return changed


def _holds(provider: Provider, key: str) -> bool:
    try:
        return provider.secret == key
    except ModelError:  # under a key of the service that is lost
        return False


def _options(url: str) -> dict[str, str]:
    """OpenAI's own service refuses `max_tokens` for its newer models; those that imitate it know nothing else."""
    return {"token_cap_field": "max_completion_tokens" if _is_openai(url) else "max_tokens"}


def _provide_models(provider: Provider, variables: Mapping[str, str]) -> None:
    known = _listed(variables.get("OPENAI_API_MODELS", "")) or _known(provider)
    seeds = {seed.public_id: seed for seed in known}
    wanted = variables.get("API_V2_ADMIN_MODEL", "")
    if wanted and wanted not in seeds and _may_serve(provider, wanted):
        seeds[wanted] = ModelSeed(public_id=wanted, upstream_id=wanted)
    with transaction.atomic():
        for seed in seeds.values():
            _register(provider, seed, from_environment=True)
        if known:  # else the provider did not answer, which says nothing about its models
            _note_who_is_listed(provider, seeds)


def _known(provider: Provider) -> tuple[ModelSeed, ...]:
    return OPENAI_MODELS if _is_openai(provider.base_url) else _discovered(provider)


def _may_serve(provider: Provider, model_id: str) -> bool:
    """Whether a model that nobody listed can be at this provider. Servers of one's own often take more names than they
    list; OpenAI's list is complete, and only its silence leaves the question open."""
    if not _is_openai(provider.base_url):
        return True
    listed = {seed.upstream_id for seed in _discovered(provider)}
    return not listed or model_id in listed


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


def _free_name() -> str:
    return "OpenAI (environment)" if Provider.objects.filter(name="OpenAI").exists() else "OpenAI"


def _is_openai(url: str) -> bool:
    return urlsplit(url).hostname == "api.openai.com"
