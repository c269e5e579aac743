"""Where a caller wants to be told of events, what a caller's webhooks are signed with, and each message on its way."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from processing.delivery.webhooks import signing


class _Signing(models.Model):
    """What messages are signed with. A secret that was replaced signs beside the new one until `previous_until`."""

    secret_encrypted = models.TextField(editable=False)
    previous_encrypted = models.TextField(blank=True, default="", editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Those in force, the newest first. Raises `ModelError` where the key that they were encrypted with is gone."""
        stored = [self.secret_encrypted]
        if self.previous_until is not None and self.previous_until > now:
            stored.append(self.previous_encrypted)
        return tuple(map(signing.decrypt, stored))


class WebhookEndpoint(_Signing):
    """A receiver that a caller has registered. With `api_key`, it is told of what is done with this key alone.

    `failing_since` is when it first failed after the last message that it took. A disabled one is told nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    api_key = models.ForeignKey("processing.ApiKey", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list, blank=True, help_text=_("What it is told of; empty: everything."))
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=20, blank=True, help_text=_("`gone`, `failing` or `administrator`."))

    class Meta:
        verbose_name = _("webhook endpoint")
        ordering = ("-created_at", "-id")
        default_permissions = ("view", "change")
        indexes = [models.Index(fields=("-created_at", "-id"), name="webhook_newest")]

    def __str__(self) -> str:
        return self.url.partition("?")[0]


class SigningSecret(_Signing):
    """What a caller's messages to addresses that are not registered are signed with: an API key's, or, without a key,
    a user's."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey("processing.ApiKey", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("webhook secret")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=("owner",), condition=Q(api_key=None), name="webhook_secret_of_user"),
            models.UniqueConstraint(fields=("api_key",), name="webhook_secret_of_key"),
        ]

    def __str__(self) -> str:
        return f"{self.owner_id}/{self.api_key_id or ''}"


class State(models.TextChoices):
    """`discarded` are those whose endpoint was disabled before they were taken."""

    PENDING = "pending", _("pending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    DISCARDED = "discarded", _("discarded")


class WebhookDelivery(models.Model):
    """One message to one receiver; `id` is its `webhook-id`, the same at every try.

    `tries` is raised before each try. Whoever tries raises `token`, by which alone the outcome is written, and puts
    `next_at` as far off as the try may last: if nothing is heard of it by then, it is tried again. Times are the
    database's.
    """

    seq = models.BigAutoField(primary_key=True)
    id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey("processing.ApiKey", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    endpoint = models.ForeignKey(
        WebhookEndpoint, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    task = models.ForeignKey("processing.Task", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    subject = models.UUIDField(null=True, blank=True, db_index=True, help_text=_("What it is about, if no task."))
    type = models.CharField(max_length=40)
    url = models.CharField(max_length=2000)
    target = models.CharField(max_length=300, help_text=_("The host and port that it goes to."))
    body = models.TextField(editable=False)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField()
    token = models.BigIntegerField(default=0)
    last_status = models.IntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    tried_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ("-seq",)
        default_permissions = ("view", "change")
        indexes = [
            models.Index(fields=("next_at",), name="webhook_due", condition=Q(state="pending")),
            models.Index(fields=("endpoint", "-seq"), name="webhook_of_endpoint"),
            models.Index(fields=("state", "-seq"), name="webhook_by_state"),
            models.Index(fields=("ended_at",), name="webhook_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"msg_{self.id.hex}"
