"""Which models a caller may use: those that are open to them, and of these what their key is limited to."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Exists, OuterRef

from modelsregistry import registry
from modelsregistry.registry import Asker
from processing.access.models import ApiKey


def asker(user_id: int, key: ApiKey | int | None) -> Asker:
    """The registry's view of a user who comes with this key, or its primary key, or none.

    A key whose models were all deleted is revoked with the last of them; see `limits`.
    """
    key_id = key.pk if isinstance(key, ApiKey) else key
    if key_id is None:
        return Asker(user_id)
    allowed = ApiKey.allowed_models.through.objects.filter(apikey_id=key_id)
    return Asker(user_id, frozenset(allowed.values_list("registeredmodel__public_id", flat=True)))


def permits(user_id: int, key_id: int | None) -> Callable[[str], bool]:
    """For models that stand in for another: whether this caller may use the model with a public id."""

    def may_use(public_id: str) -> bool:
        return registry.may_use(public_id, asker(user_id, key_id))

    return may_use


def limited_to_alone(model_id: str) -> list[str]:
    """The beginnings of the valid API keys that may use nothing but the model with this public id, ten at most."""
    keys = ApiKey.objects.filter(allowed_models__public_id=model_id, revoked_at__isnull=True)
    others = ApiKey.allowed_models.through.objects.filter(apikey_id=OuterRef("pk")).exclude(
        registeredmodel__public_id=model_id
    )
    return list(keys.exclude(Exists(others)).values_list("prefix", flat=True)[:10])
