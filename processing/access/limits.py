"""A key that is limited to some models opens nothing any more once the last of them is deleted, whoever deletes it."""

from __future__ import annotations

import logging
from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from modelsregistry.models import RegisteredModel
from processing.access import audit, keys
from processing.access.models import ApiKey

logger = logging.getLogger(__name__)


@receiver(pre_delete, sender=RegisteredModel)
def revoke(instance: RegisteredModel, **_: Any) -> None:
    """Without a model a key would be limited no more. Inside the transaction of the deletion, which a provider's is for
    all its models: so each is taken from the keys by itself."""
    # Locked, so that of two deletions at once the second sees what the first has left.
    for key in ApiKey.objects.select_for_update().filter(allowed_models=instance):
        if key.allowed_models.exclude(pk=instance.pk).exists():
            key.allowed_models.remove(instance)
        elif keys.revoke(key.pk, by=audit.SERVICE, reason=f"its last model {instance.public_id} was deleted"):
            logger.warning("key revoked with its last model", extra={"key": key.pk, "model": instance.public_id})
