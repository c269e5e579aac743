"""Where models are served, and which of them are offered: the administrator's part of the registry."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from processing.admin import rendering
from processing.admin.base import Page

# What a provider that comes from the environment takes from there at every start, beside its secret.
FROM_ENVIRONMENT = ("kind", "base_url")


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A provider, whose secret goes in and never comes out."""

    new_secret = forms.CharField(
        label=__("New secret"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=__("API key or token. It is stored encrypted and never shown. Empty: the stored one stays."),
    )
    forget_secret = forms.BooleanField(label=__("Forget the stored secret"), required=False, widget=UnfoldBooleanWidget)

    class Meta:
        model = Provider
        fields = ("name", "kind", "base_url", "options", "enabled", "timeout", "stall_timeout")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.from_environment:
            del self.fields["new_secret"], self.fields["forget_secret"]

    def clean(self) -> dict[str, Any] | None:
        """The secret is set before the model is validated, so that its driver is asked about the new one."""
        cleaned = super().clean()
        if self.cleaned_data.get("new_secret"):
            self.instance.secret = self.cleaned_data["new_secret"]
        elif self.cleaned_data.get("forget_secret"):
            self.instance.secret = ""
        elif self.instance.secret_encrypted and "base_url" in self.changed_data:
            # Else whoever may edit the address could have the secret sent to a server of their own, and read it.
            self.add_error("new_secret", _("With another address, the secret has to be entered again, or forgotten."))
        return cleaned


@admin.register(Provider)
class ProviderPage(Page):
    """An endpoint that serves models."""

    form = ProviderForm
    list_display = ("name", "kind", "base_url", "state", "secret_state", "origin")
    list_filter = ("kind", "enabled")
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name", "base_url")
    readonly_fields = ("secret_state", "state", "origin", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> list[Any]:
        named = __("Variables of the environment set the address and the secret at every start.")
        fixed = obj is not None and obj.from_environment
        editable = not fixed and (self.has_change_permission(request, obj) if obj else True)
        secret = ("secret_state", *(("new_secret", *(("forget_secret",) if obj else ())) if editable else ()))
        return [
            (
                None,
                {
                    "fields": ("name", "kind", "base_url", *(secret if obj else secret[1:])),
                    "description": named if fixed else __("An address that serves models, and how to speak to it."),
                },
            ),
            (__("Behaviour"), {"fields": ("enabled", "timeout", "stall_timeout", "options")}),
            *([(__("State"), {"fields": ("state", "origin", "created_at", "updated_at")})] if obj else []),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        fixed = FROM_ENVIRONMENT if obj is not None and obj.from_environment else ()
        return (*self.readonly_fields, *fixed)

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        """One from the environment would be back at the next start: it is switched off instead."""
        if obj is not None and obj.from_environment:
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description=__("origin"))
    def origin(self, provider: Provider) -> str:
        return _origin(provider)

    @admin.display(description=__("state"))
    def state(self, provider: Provider) -> SafeString | str:
        if provider.enabled:
            return rendering.badge(_("on"), "success")
        off = rendering.badge(_("off"), "warning")
        return off + " " + rendering.line(provider.disabled_reason, length=200) if provider.disabled_reason else off

    @admin.display(description=__("stored secret"))
    def secret_state(self, provider: Provider) -> SafeString:
        if not provider.secret_encrypted:
            return rendering.badge(_("none"))
        try:
            is_readable = bool(provider.secret)
        except ModelError:
            is_readable = False
        return rendering.badge(_("yes"), "success") if is_readable else rendering.badge(_("unreadable"), "danger")


@admin.register(RegisteredModel)
class RegisteredModelPage(Page):
    """A model that clients may name."""

    list_display = ("public_id", "provider", "upstream_id", "vision", "enabled", "probe", "why_not")
    list_filter = ("provider", "enabled", "available", "vision")
    list_select_related = ("provider",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("public_id", "name", "upstream_id", "provider__name")
    readonly_fields = ("probe", "why_not", "origin", "created_at", "updated_at")
    fieldsets = (
        (
            None,
            {
                "fields": ("public_id", "name", "provider", "upstream_id", "description", "enabled"),
                "description": __("Clients name the model by its public id; its provider knows it by its upstream id."),
            },
        ),
        (
            __("What it can do"),
            {
                "fields": (
                    ("vision", "native_pdf", "structured_output"),
                    "context_length",
                    "max_output_tokens",
                    "refused_fields",
                )
            },
        ),
        (
            __("Settings"),
            {
                "fields": ("temperature", "max_tokens", "timeout"),
                "description": __("They hold where a request does not say otherwise. Empty: the service's own hold."),
            },
        ),
        (
            __("What the service found out"),
            {"fields": ("probe", "why_not", "origin", "created_at", "updated_at")},
        ),
    )

    @admin.display(description=__("available"), boolean=True, ordering="available")
    def probe(self, model: RegisteredModel) -> bool:
        return model.available

    @admin.display(description=__("reason"))
    def why_not(self, model: RegisteredModel) -> SafeString:
        return rendering.line(model.reason, length=100)

    @admin.display(description=__("origin"))
    def origin(self, model: RegisteredModel) -> str:
        return _origin(model)


def _origin(row: Provider | RegisteredModel) -> str:
    return _("environment") if row.from_environment else _("administrator")
