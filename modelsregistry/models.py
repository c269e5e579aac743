"""Where models are served and which of them this service offers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from modelsregistry import secrets
from modelsregistry.contract import Driver, Endpoint
from modelsregistry.discovery import all_drivers, driver_class, kind_choices
from modelsregistry.errors import ModelError

_PRICE: dict[str, Any] = {
    "max_digits": 12,
    "decimal_places": 6,
    "null": True,
    "blank": True,
    "validators": [MinValueValidator(Decimal(0))],
}


class Provider(models.Model):
    """An endpoint that serves models, with what is needed to use it.

    `secret_encrypted` is written and read through `secret`. A provider `from_environment` takes its address and
    secret from variables at every start; when these vanish it is switched off, and `disabled_reason` says so.
    `options` holds what its dialect alone understands, `headers` what goes with every request, encrypted as the secret.
    After `consecutive_failures` it is left alone by all processes until `open_until`.
    """

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=40, choices=kind_choices, help_text=_("The dialect that it speaks."))
    base_url = models.CharField(
        max_length=500, blank=True, help_text=_("As its documentation gives it, such as https://api.openai.com/v1.")
    )
    secret_encrypted = models.TextField(blank=True, editable=False)
    options = models.JSONField(default=dict, blank=True, help_text=_("Settings of the dialect, by name."))
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=300, blank=True, editable=False)
    timeout = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(1.0)], help_text=_("Seconds that one answer may take.")
    )
    stall_timeout = models.FloatField(
        default=120.0,
        validators=[MinValueValidator(1.0)],
        help_text=_("Seconds of silence after which an answer counts as stalled."),
    )
    headers_encrypted = models.TextField(blank=True, editable=False)
    max_concurrency = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("Requests at a time, from all hosts.")
    )
    proxy = models.CharField(
        max_length=500, blank=True, help_text=_("An HTTP proxy to go through, such as http://proxy:3128.")
    )
    allow_private = models.BooleanField(
        _("allow private addresses"),
        default=False,
        help_text=_("Whether its address may lie in a private network or on this host, as Ollama's does."),
    )
    from_environment = models.BooleanField(default=False, editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    open_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure = models.CharField(max_length=300, blank=True, editable=False)
    probed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("provider")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=("kind",), condition=Q(from_environment=True), name="provider_once_per_kind_from_environment"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises `ValidationError` when the dialect's driver would not take this endpoint."""
        try:
            self.driver(model="any")
        except ModelError as error:
            raise ValidationError(error.detail, code=error.code) from error

    @property
    def secret(self) -> str:
        """The credential in clear. Raises `ModelMisconfigured` when it cannot be decrypted."""
        return secrets.decrypt(self.secret_encrypted)

    @secret.setter
    def secret(self, value: str) -> None:
        self.secret_encrypted = secrets.encrypt(value)

    @property
    def headers(self) -> dict[str, str]:
        """The headers in clear. Raises `ModelMisconfigured` when they cannot be decrypted."""
        found: dict[str, str] = json.loads(secrets.decrypt(self.headers_encrypted) or "{}")
        return found

    @headers.setter
    def headers(self, value: Mapping[str, str]) -> None:
        self.headers_encrypted = secrets.encrypt(json.dumps(dict(value))) if value else ""

    def driver(self, model: str, **abilities: Any) -> Driver:
        """A driver for the model with this upstream id; `abilities` are fields of `Endpoint` that are the model's.

        Raises `ModelMisconfigured`.
        """
        endpoint = Endpoint(
            model=model,
            base_url=self.base_url,
            secret=self.secret,
            stall_timeout=self.stall_timeout,
            options=self.options,
            headers=self.headers,
            proxy=self.proxy,
            allow_private=self.allow_private,
            **abilities,
        )
        return driver_class(self.kind)(endpoint)

    @property
    def reads_any_length(self) -> bool:
        """Whether its dialect has no models that a document is too long for; a driver says so of itself."""
        return bool(getattr(all_drivers().get(self.kind), "reads_any_length", False))


class RegisteredModel(models.Model):
    """A model that clients may name, by `public_id`; its provider knows it as `upstream_id`.

    `temperature`, `max_tokens` and `timeout` (seconds) hold where a request does not say otherwise. `enabled` is the
    administrator's switch; `available` and `reason` are what the service found out.
    """

    public_id = models.CharField(max_length=200, unique=True, help_text=_("What clients call it."))
    name = models.CharField(max_length=200)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    upstream_id = models.CharField(max_length=200, help_text=_("What its provider calls it."))
    description = models.TextField(blank=True)
    vision = models.BooleanField(default=False, help_text=_("Whether it sees pictures of pages."))
    context_length = models.PositiveIntegerField(null=True, blank=True, help_text=_("Tokens it can read and write."))
    max_output_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("Tokens it can write at most.")
    )
    temperature = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(2.0)])
    max_tokens = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    timeout = models.FloatField(null=True, blank=True, validators=[MinValueValidator(1.0)])
    native_pdf = models.BooleanField(
        _("native PDF"), default=False, help_text=_("Whether it reads a PDF as it is, pictures and all.")
    )
    structured_output = models.BooleanField(
        default=False, help_text=_("Whether its provider holds it to a JSON Schema.")
    )
    refused_fields = models.JSONField(
        default=list, blank=True, help_text=_("Fields that it rejects, such as temperature: they are left out.")
    )
    input_price = models.DecimalField(**_PRICE, help_text=_("US dollars for a million tokens read."))
    cached_input_price = models.DecimalField(
        **_PRICE, help_text=_("US dollars for a million tokens that its provider had read before.")
    )
    output_price = models.DecimalField(**_PRICE, help_text=_("US dollars for a million tokens written."))
    fallbacks = models.JSONField(
        default=list, blank=True, help_text=_("Public ids of the models to ask, in this order, when it fails.")
    )
    is_limited = models.BooleanField(
        _("limited"),
        default=False,
        help_text=_(
            "Only the users and groups named here may use it, and nobody where none is left. Naming one sets "
            "it; take it away to let everybody in."
        ),
    )
    allowed_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="+",
        help_text=_("Who may use it, beside the groups."),
    )
    allowed_groups = models.ManyToManyField("auth.Group", blank=True, related_name="+")
    enabled = models.BooleanField(default=True)
    available = models.BooleanField(default=True, editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)
    from_environment = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("model")
        ordering = ("provider_id", "public_id")

    def __str__(self) -> str:
        return self.public_id

    @property
    def answer_timeout(self) -> float | None:
        """Seconds that one answer may take: the model's own or its provider's; None where neither has a say."""
        return self.provider.timeout if self.timeout is None else self.timeout


class ProviderSlot(models.Model):
    """One request that is with a provider whose `max_concurrency` is bounded; what is past `expires_at` was left behind
    by a process that died."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="slots")
    token = models.UUIDField(unique=True)
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = _("provider slot")

    def __str__(self) -> str:
        return str(self.token)
