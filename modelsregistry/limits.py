"""Naming somebody who may use a model limits it to those named, and it stays so when they are deleted."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from modelsregistry.models import RegisteredModel


@receiver(m2m_changed, sender=RegisteredModel.allowed_users.through)
@receiver(m2m_changed, sender=RegisteredModel.allowed_groups.through)
def limit(instance: RegisteredModel, action: str, **_: Any) -> None:
    """The deletion of a user or a group sends no such signal."""
    if action == "post_add" and not instance.is_limited:
        instance.is_limited = True
        instance.save(update_fields=["is_limited"])
