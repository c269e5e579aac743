"""API keys, of which enough is kept to recognise one and not enough to use one; and what was done with them."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
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


class AuditEntry(models.Model):
    """One thing that somebody did; written by `audit.record` alone. It names people and things by value, so that it
    says the same when they are gone."""

    at = models.DateTimeField(db_default=Now())
    door = models.CharField(max_length=10, help_text=_("`api`, `admin`, `command` or `service`."))
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)
    actor_key = models.CharField(max_length=12, blank=True, help_text=_("The first characters of the key used."))
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=20)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=255, blank=True)
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [models.Index(fields=("target_kind", "target_id", "-id"), name="audit_of_target")]

    def __str__(self) -> str:
        return f"{self.target_kind} {self.target_name or self.target_id} {self.action}"


class UsageOfDay(models.Model):
    """What one owner used of one model on one day (UTC) with one key; `cost` is in US dollars."""

    day = models.DateField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=200)
    tasks = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=8, default=0)

    class Meta:
        verbose_name = _("usage of a day")
        verbose_name_plural = _("usage by day")
        default_permissions = ("view",)
        indexes = [models.Index(fields=("day",), name="usage_of_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"
