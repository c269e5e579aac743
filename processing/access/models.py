"""API keys: what is kept of them, which is enough to recognise one and not enough to use one."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ApiKey(models.Model):
    """A key of one user. Only the SHA-256 of the secret is kept; 256 random bits need no slow hash.

    `scopes` holds `admin` where the key may use the administrator's routes, which its user must also be permitted.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text=_("The key's first characters, to tell it by."))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, blank=True)
    allowed_models = models.ManyToManyField(
        "modelsregistry.RegisteredModel",
        blank=True,
        related_name="+",
        help_text=_("The models that it may use; empty: those that its user may."),
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})" if self.name else f"{self.prefix}…"
