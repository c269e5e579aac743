"""Where models are served, and which of them are offered: the administrator's part of the registry."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from modelsregistry.errors import ModelError
from modelsregistry.models import Provider, RegisteredModel
from processing.admin import model_trial, rendering
from processing.admin.actors import actor
from processing.admin.audited import Audited
from processing.admin.provider_form import ProviderForm
from processing.operations.registry_changes import import_models

# What a provider that comes from the environment takes from there at every start, beside its secret; and the proxy, as
# with another one that secret would go to where the environment did not send it.
FROM_ENVIRONMENT = ("kind", "base_url", "proxy")

_ROW = ("origin", "created_at", "updated_at")


@admin.register(Provider)
class ProviderPage(Audited):
    """An endpoint that serves models."""

    audited_as = "provider"

    form = ProviderForm
    list_display = ("name", "kind", "base_url", "state", "health", "secret_state", "origin")
    list_filter = ("kind", "enabled")
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name", "base_url")
    readonly_fields = (
        *("secret_state", "headers_state", "state", "health", "open_until", "probed_at"),
        *("origin", "created_at", "updated_at"),
    )
    actions = ("import_chosen",)
    actions_submit_line = ("save_and_import",)

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> list[Any]:
        named = __("Variables of the environment set the address and the secret at every start.")
        fixed = obj is not None and obj.from_environment
        editable = not fixed and (self.has_change_permission(request, obj) if obj else True)
        secret = ("secret_state", *(("new_secret", *(("forget_secret",) if obj else ())) if editable else ()))
        may_change = self.has_change_permission(request, obj) if obj else True
        new_headers = ("new_headers", *(("forget_headers",) if obj else ())) if may_change else ()
        headers = (*(("headers_state",) if obj else ()), *new_headers)
        return [
            (
                None,
                {
                    "fields": ("name", "kind", "base_url", *(secret if obj else secret[1:])),
                    "description": named if fixed else __("An address that serves models, and how to speak to it."),
                },
            ),
            (__("Behaviour"), {"fields": ("enabled", "timeout", "stall_timeout", "max_concurrency", "options")}),
            (__("Network"), {"fields": ("allow_private", "proxy", *headers)}),
            *([(__("State"), {"fields": ("state", "health", "open_until", "probed_at", *_ROW)})] if obj else []),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        fixed = FROM_ENVIRONMENT if obj is not None and obj.from_environment else ()
        return (*self.readonly_fields, *fixed)

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        """One from the environment would be back at the next start: it is switched off instead."""
        if obj is not None and obj.from_environment:
            return False
        return super().has_delete_permission(request, obj)

    def has_import_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """It makes models, and completes those that are there."""
        wanted = ("modelsregistry.add_registeredmodel", "modelsregistry.change_registeredmodel")
        return request.user.has_perms(wanted) and self.has_change_permission(request)

    @admin.action(description=__("Import the models of the selected providers"), permissions=["import"])
    def import_chosen(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        for provider in providers:
            self._import(request, provider)

    # In the form and not a link of its own: a link is followed without asking.
    @action(  # type: ignore[untyped-decorator]  # unfold is untyped
        description=__("Save and import models"), permissions=["import"]
    )
    def save_and_import(self, request: HttpRequest, provider: Provider) -> None:
        # After the form's transaction: nobody else waits for the database while the provider is asked.
        transaction.on_commit(partial(self._import, request, provider))

    def _import(self, request: HttpRequest, provider: Provider) -> None:
        try:
            summary = import_models(provider, actor(request))
        except ModelError as error:
            self.message_user(request, f"{provider.name}: {error.detail}", messages.ERROR)
            return
        new = ngettext("%d new model", "%d new models", len(summary.created)) % len(summary.created)
        rest = _("%(updated)d completed, %(unchanged)d unchanged, %(skipped)d skipped") % {
            "updated": len(summary.updated),
            "unchanged": len(summary.unchanged),
            "skipped": len(summary.skipped),
        }
        self.message_user(request, f"{provider.name}: {new}, {rest}.", messages.SUCCESS)

    @admin.display(description=__("stored headers"))
    def headers_state(self, provider: Provider) -> SafeString:
        try:
            names = ", ".join(provider.headers)
        except ModelError:
            return rendering.badge(_("unreadable"), "danger")
        return rendering.line(names, length=200) if names else rendering.badge(_("none"))

    @admin.display(description=__("origin"))
    def origin(self, provider: Provider) -> str:
        return _origin(provider)

    @admin.display(description=__("state"))
    def state(self, provider: Provider) -> SafeString | str:
        if provider.enabled:
            return rendering.badge(_("on"), "success")
        off = rendering.badge(_("off"), "warning")
        return off + " " + rendering.line(provider.disabled_reason, length=200) if provider.disabled_reason else off

    @admin.display(description=__("health"))
    def health(self, provider: Provider) -> SafeString:
        return model_trial.health(provider)

    @admin.display(description=__("stored secret"))
    def secret_state(self, provider: Provider) -> SafeString:
        if not provider.secret_encrypted:
            return rendering.badge(_("none"))
        try:
            is_readable = bool(provider.secret)
        except ModelError:
            is_readable = False
        return rendering.badge(_("yes"), "success") if is_readable else rendering.badge(_("unreadable"), "danger")


class LinesField(forms.CharField):
    """A list of words, one a line; blank lines are none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(each) for each in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class RegisteredModelForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A model, whose fallbacks are models that there are."""

    refused_fields = LinesField(
        label=__("Refused fields"),
        help_text=__("Fields that it rejects, such as temperature, one a line: they are left out."),
    )
    fallbacks = LinesField(
        label=__("Fallbacks"),
        help_text=__("Public ids of the models to ask, in this order, when it fails; one a line."),
    )

    class Meta:
        model = RegisteredModel
        fields = "__all__"  # noqa: DJ007  # the page's fieldsets choose

    def clean(self) -> dict[str, Any]:
        """Whoever names somebody means them alone."""
        given = super().clean() or self.cleaned_data
        if given.get("allowed_users") or given.get("allowed_groups"):
            given["is_limited"] = True
        return given

    def clean_fallbacks(self) -> list[str]:
        """Raises `ValidationError` unless they are public ids of other models."""
        wanted: list[str] = self.cleaned_data["fallbacks"]
        if self.cleaned_data.get("public_id") in wanted or len(set(wanted)) < len(wanted):
            raise forms.ValidationError(_("A model stands in once, and never for itself."), code="repeated")
        known = set(RegisteredModel.objects.filter(public_id__in=wanted).values_list("public_id", flat=True))
        unknown = [name[:100] for name in wanted if name not in known]
        if unknown:
            raise forms.ValidationError(
                _("There is no model %(names)s."), code="unknown", params={"names": ", ".join(unknown)}
            )
        return wanted


@admin.register(RegisteredModel)
class RegisteredModelPage(Audited):
    """A model that clients may name."""

    audited_as = "model"

    form = RegisteredModelForm
    filter_horizontal = ("allowed_users", "allowed_groups")
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
                    *("vision", "native_pdf", "structured_output"),
                    *("context_length", "max_output_tokens", "refused_fields"),
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
            __("Prices"),
            {
                "fields": ("input_price", "cached_input_price", "output_price"),
                "description": __("From these and the tokens that its provider counts, the cost of a task is told."),
            },
        ),
        (__("When it fails"), {"fields": ("fallbacks",)}),
        (__("Who may use it"), {"fields": ("is_limited", "allowed_users", "allowed_groups")}),
        (
            __("What the service found out"),
            {"fields": ("probe", "why_not", "origin", "created_at", "updated_at")},
        ),
    )

    actions = ("test_chosen",)

    def get_fieldsets(self, request: HttpRequest, obj: RegisteredModel | None = None) -> list[Any]:
        """Of one that is about to be made, nothing was found out."""
        fieldsets = list(super().get_fieldsets(request, obj))
        return fieldsets if obj else fieldsets[:-1]

    def has_test_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """It costs money."""
        return self.has_change_permission(request)

    @admin.action(
        description=__("Test the selected models on a page (costs what an answer costs)"), permissions=["test"]
    )
    def test_chosen(self, request: HttpRequest, models: QuerySet[RegisteredModel]) -> None:
        chosen = list(models.select_related("provider")[: model_trial.AT_ONCE + 1])
        if len(chosen) > model_trial.AT_ONCE:
            self.message_user(request, _("At most %d models at once.") % model_trial.AT_ONCE, messages.ERROR)
            return
        for model in chosen:
            model_trial.tell(request, model)

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
    if row.from_environment:
        return _("environment")
    kind = row.kind if isinstance(row, Provider) else row.provider.kind
    return _("built in") if kind == "local" else _("administrator")
