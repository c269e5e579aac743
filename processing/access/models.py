"""API keys and tokens, of which enough is kept to recognise one and not enough to use one; what callers may do; what
was done; what may be spent and was spent."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, Literal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MAX_RATE = 1_000_000_000  # as in the configuration; means that there is no limit


def _rate(name: Any) -> models.PositiveIntegerField[int | None, int | None]:
    """How many of something; null: what is inherited holds."""
    bounds = [MinValueValidator(1), MaxValueValidator(MAX_RATE)]
    return models.PositiveIntegerField(name, null=True, blank=True, validators=bounds)


class ApiKey(models.Model):
    """A key of one user. Only the SHA-256 of the secret is kept; 256 random bits need no slow hash.

    `scopes` holds `admin` where the key may use the administrator's routes, which its user must also be permitted.
    A key that is rotated stays the same row: its secret is replaced, and the one before it works until
    `previous_until`.
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
    allowed_endpoints = models.JSONField(
        default=list, blank=True, help_text=_("The paths that it may call, and what is below them; empty: all.")
    )
    allowed_networks = models.JSONField(
        default=list, blank=True, help_text=_("The networks that it may be used from, as CIDR; empty: all.")
    )
    previous_prefix = models.CharField(max_length=12, blank=True, editable=False)
    previous_digest = models.CharField(max_length=64, unique=True, null=True, blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
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

    def state(self) -> Literal["active", "revoked", "expired", "user deactivated"]:
        """Whether it opens anything, and if not, why."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "active" if self.user.is_active else "user deactivated"


class SignIn(models.Model):
    """One signing in through the API. Its token holds as long as this row is neither ended nor expired, its user is
    active and their password is the same: see `sign_ins`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    seal = models.CharField(max_length=64, editable=False, help_text=_("What Django's sessions know a password by."))
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")
        ordering = ("-created_at",)
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.user} {self.created_at:%Y-%m-%d %H:%M}"


class CallerLimits(models.Model):
    """What one key, or one user, may do at most, where it differs from what holds for everybody (`rate_limits` of the
    configuration). Null is inherited: a key's from its user, a user's from the configuration.

    A key's own limit counts that key alone; a user's own counts all that the user does, by whichever key.
    """

    key = models.OneToOneField(
        ApiKey, null=True, blank=True, on_delete=models.CASCADE, related_name="limits", verbose_name=_("API key")
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    per_minute = _rate(_("calls a minute"))
    per_hour = _rate(_("calls an hour"))
    per_day = _rate(_("calls a day"))
    uploads_per_minute = _rate(_("uploads a minute"))
    batch_files_per_minute = _rate(_("files in batches a minute"))
    status_per_minute = _rate(_("status reads a minute"))
    reason = models.CharField(max_length=200, blank=True, help_text=_("Why, for whoever looks at it later."))
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("rate limits of a caller")
        verbose_name_plural = _("rate limits of callers")
        ordering = ("-updated_at",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(key__isnull=True) ^ models.Q(user__isnull=True),
                name="limits_of_key_or_user",
                violation_error_message=_("Name either a key or a user."),
            )
        ]

    def __str__(self) -> str:
        return str(self.key or self.user)


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
        indexes = [
            models.Index(fields=("target_kind", "target_id", "-id"), name="audit_of_target"),
            models.Index(fields=("target_kind", "-id"), name="audit_of_kind"),
            models.Index(fields=("actor_name", "-id"), name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.target_kind} {self.target_name or self.target_id} {self.action}"


class IdempotencyKey(models.Model):
    """A caller's own name for one request, so that sending it again does nothing twice; see `idempotency`.

    Without a reply it is in flight, until `leased_until` at most: whoever holds `token` works on it. What was written
    for it is named in the transaction that writes it, so that a process which dies before it replies loses nothing.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of what was sent."))
    token = models.UUIDField()
    leased_until = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    status = models.SmallIntegerField(null=True, blank=True, help_text=_("Of the reply, by HTTP."))
    reply = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    task = models.ForeignKey("processing.Task", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    batch = models.ForeignKey("processing.Batch", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey(
        "processing.StoredDocument", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        verbose_name = _("idempotency key")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=("owner", "key"), name="idempotency_key_once_per_owner")]

    def __str__(self) -> str:
        return self.key


_MONEY: dict[str, Any] = {"max_digits": 16, "decimal_places": 8}  # as a task's cost


class Budget(models.Model):
    """What the tasks of one API key, or of one user by whatever key, may spend in a day or a month (UTC).

    `tokens` are those read and written together, `money` is in US dollars; what is empty is not bounded. What is used
    and reserved is told by `UsageOfDay` and `Reservation`; see `budgets`.
    """

    class Period(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.CASCADE, related_name="budgets")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="budgets"
    )
    period = models.CharField(max_length=5, choices=Period.choices, help_text=_("By UTC."))
    tokens = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Tokens read and written; empty: no bound."),
    )
    money = models.DecimalField(
        **_MONEY,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("US dollars; empty: no bound. Models without prices are refused under it."),
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("budget")
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(condition=Q(api_key=None) ^ Q(user=None), name="budget_of_key_or_user"),
            models.CheckConstraint(
                condition=Q(tokens__isnull=False) | Q(money__isnull=False), name="budget_bounds_something"
            ),
            models.UniqueConstraint(fields=("api_key", "period"), name="budget_once_for_key"),
            models.UniqueConstraint(fields=("user", "period"), name="budget_once_for_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.api_key}, {self.get_period_display()}"

    def clean(self) -> None:
        """Raises `ValidationError`."""
        if (self.api_key_id is None) == (self.user_id is None):
            raise ValidationError(_("Name an API key or a user, and not both."), code="budget_of_one")
        if self.tokens is None and self.money is None:
            raise ValidationError(_("Bound tokens, money, or both."), code="budget_empty")


class Reservation(models.Model):
    """What a running task may still spend, under a budget: the most that its request to a model takes.

    `task` and `token` say whose it is: a claim of a task (its `seq` and fencing token). Past `until` it counts no more:
    then it was left behind by a process that died, or that nobody has heard of.
    """

    task = models.BigIntegerField()
    token = models.BigIntegerField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    tokens = models.BigIntegerField()
    money = models.DecimalField(**_MONEY)
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("reservation")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=("task", "token"), name="reserved_once_for_claim")]

    def __str__(self) -> str:
        return f"{self.task}/{self.token}"


class UsageOfDay(models.Model):
    """What one key of one user spent on one model on a day (UTC); written by `usage.record` alone.

    `tasks` are those that ended, `failed` some of them. Tokens and `cost` (US dollars) are also those of attempts that
    came to nothing; what has no price costs 0. `key_number` is the key's id, 0 without one, and outlives the key.
    """

    day = models.DateField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    key_number = models.BigIntegerField(default=0, editable=False)
    model = models.CharField(max_length=200)
    tasks = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(**_MONEY, default=Decimal(0))

    class Meta:
        verbose_name = _("use of a day")
        verbose_name_plural = _("use by day")
        ordering = ("-day", "model")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=("owner", "day", "key_number", "model"), name="usage_once_a_day"),
        ]
        indexes = [models.Index(fields=("day",), name="usage_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.owner_id} {self.model}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the number of the key, which tells rows apart when the key is gone."""
        self.key_number = self.api_key_id or self.key_number
        super().save(*args, **kwargs)
