"""The stored changes of the runtime parameters, and the number of the revision that they make."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ConfigurationRevision(models.Model):
    """One change of the configuration. `overrides` is all that differs from the defaults after this change, so the
    newest row alone is the stored configuration; `changes` is what this revision changed."""

    overrides = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("configuration revision")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"revision {self.pk}"
