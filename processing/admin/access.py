"""API keys: given out once, watched, and revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import ForeignKey, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from processing.access import keys
from processing.access.models import ApiKey
from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import Page, is_superuser
from processing.admin.key_form import NewKeyForm
from processing.errors import InvalidInput

STATES = {
    "active": __("active"),
    "revoked": __("revoked"),
    "expired": __("expired"),
    "user deactivated": __("user deactivated"),
}


class StateFilter(admin.SimpleListFilter):
    """Whether a key opens anything."""

    title = __("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("active", __("active")), ("revoked", __("revoked")), ("expired", __("expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        expired = Q(expires_at__lte=Now())
        match self.value():
            case "active":
                return queryset.filter(user__is_active=True, revoked_at=None).exclude(expired)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case "expired":
                return queryset.filter(expired)
        return queryset


@admin.register(ApiKey)
class ApiKeyPage(Page):
    """A key is made and revoked, never changed; a revoked one stays, so that its tasks can be told by it."""

    list_display = ("prefix_shown", "label", "user", "state", "scope_words", "created_at", "last_used_at", "expires_at")
    list_filter = (StateFilter, "created_at", "last_used_at")
    list_select_related = ("user",)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("prefix", "name", "user__username")
    search_help_text = __("First characters, name or user")
    ordering = ("-created_at",)
    actions = ("rotate", "replace", "revoke")
    form = NewKeyForm
    add_fieldsets = (
        (
            None,
            {
                "fields": ("user", "name", "scopes", "expires_at"),
                "description": __("The key is shown once, after saving. Only what recognises it is kept."),
            },
        ),
        (__("What it is limited to"), {"fields": ("allowed_endpoints", "allowed_networks", "allowed_models")}),
    )
    fieldsets = (
        (
            None,
            {
                "fields": ("prefix_shown", "label", "user", "state", "scope_words"),
                "description": __(
                    "A key is not changed after it is made: revoke it from the list, and make another, or rotate it "
                    "there, which gives it a new secret. The secret is kept nowhere."
                ),
            },
        ),
        (__("What it is limited to"), {"fields": ("endpoints", "networks", "models")}),
        (__("Times"), {"fields": ("created_at", "last_used_at", "expires_at", "previous_until", "revoked_at")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.change_apikey")

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.change_apikey")

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("user",) if is_superuser(request) else ()

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """A key acts as its user, so only a superuser makes keys for somebody else."""
        if db_field.name == "user":
            users = User.objects.filter(is_active=True)
            kwargs["queryset"] = users if is_superuser(request) else users.filter(username=request.user.get_username())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001
        """Makes the key, and shows its secret in the one place where it is ever shown."""
        asked = form.cleaned_data
        key, secret = keys.mint(asked["user"], asked["name"], asked["scopes"], form.restrictions(), by=actor(request))
        obj.pk = key.pk
        obj.refresh_from_db()
        _show(request, _("Copy the new key now. It is kept nowhere and will not be shown again:"), secret)

    @admin.action(description=__("Rotate: a new secret, the old one works 24 hours on"), permissions=["rotate"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """For whoever has to carry the new secret to where the key is used."""
        self._rotate(request, queryset, keys.OVERLAP)

    @admin.action(description=__("Replace: a new secret, the old one ends now"), permissions=["rotate"])
    def replace(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """For a secret that strangers have seen."""
        self._rotate(request, queryset, timedelta(0))

    def _rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey], overlap: timedelta) -> None:
        """As with a new key: whoever is shown a secret can act as its user."""
        for key in queryset.select_related("user"):
            if key.user_id != request.user.pk and not is_superuser(request):
                messages.error(request, _("%s is another user's: only a superuser may see its secret.") % key.prefix)
                continue
            try:
                secret = keys.rotate(key, overlap, by=actor(request))
            except InvalidInput as error:
                messages.error(request, f"{key.prefix}: {error.detail}")
                continue
            self.log_change(request, key, "Rotated.")
            _show(request, _("The new secret of %s. It is not shown again:") % rendering.visible(str(key)), secret)

    @admin.action(description=__("Revoke the selected keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """From the next request on, these keys open nothing. There is no way back."""
        revoked = 0
        for key in queryset.filter(revoked_at=None):
            if keys.revoke(key.pk, by=actor(request)):
                revoked += 1
                self.log_change(request, key, "Revoked.")
        messages.success(request, ngettext("%d key was revoked.", "%d keys were revoked.", revoked) % revoked)

    @admin.display(description=__("key"))
    def prefix_shown(self, key: ApiKey) -> SafeString:
        return rendering.code(f"{key.prefix}…")

    @admin.display(description=__("name"), ordering="name")
    def label(self, key: ApiKey) -> SafeString:
        return rendering.line(key.name)

    @admin.display(description=__("state"))
    def state(self, key: ApiKey) -> SafeString:
        state = key.state()
        return rendering.badge(str(STATES[state]), {"active": "success", "revoked": "danger"}.get(state, "warning"))

    @admin.display(description=__("scopes"))
    def scope_words(self, key: ApiKey) -> str | None:
        return ", ".join(str(scope) for scope in key.scopes) or None

    @admin.display(description=__("endpoints"))
    def endpoints(self, key: ApiKey) -> SafeString:
        return _listed(key.allowed_endpoints)

    @admin.display(description=__("networks"))
    def networks(self, key: ApiKey) -> SafeString:
        return _listed(key.allowed_networks)

    @admin.display(description=__("models"))
    def models(self, key: ApiKey) -> SafeString:
        return _listed([model.public_id for model in key.allowed_models.all()])


def _listed(entries: Sequence[str]) -> SafeString:
    return rendering.line(", ".join(entries), length=200)


def _show(request: HttpRequest, sentence: str, secret: str) -> None:
    messages.success(request, format_html('{}<br><code class="shown-code shown-secret">{}</code>', sentence, secret))
