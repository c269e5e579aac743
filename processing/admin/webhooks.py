"""Where callers want to be told of events, and the log of what was sent there: read, switched off, sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from processing.access.audit import Actor
from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import LongList, ReadOnlyPage
from processing.delivery.webhooks import endpoints
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint

BADGES = {State.PENDING: "info", State.DELIVERED: "success", State.FAILED: "danger", State.DISCARDED: "warning"}


@admin.register(WebhookEndpoint)
class EndpointPage(LongList, ReadOnlyPage):
    """Registered by callers through the API. Their secrets are shown to nobody."""

    list_display = ("shown_url", "owner", "key", "state", "delivered_at", "failing_since", "created_at")
    list_select_related = ("owner", "api_key")
    newest_by = ("created_at", "id")
    search_fields = ("url", "owner__username")
    search_help_text = __("URL or user")
    fields = (
        *("shown_url", "owner", "key", "words", "told_of", "state"),
        *("created_at", "delivered_at", "failing_since", "disabled_at", "previous_until"),
    )
    actions = ("disable", "enable")

    def has_disable_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.change_webhookendpoint")

    @admin.action(description=__("Disable: nothing more is sent there"), permissions=["disable"])
    def disable(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """What was still to be sent is discarded. Only the staff switches it on again."""
        done = _each(request, queryset, lambda pk, by: endpoints.disable(pk, endpoints.BY_ADMINISTRATOR, by))
        messages.success(request, ngettext("%d webhook was disabled.", "%d webhooks were disabled.", done) % done)

    @admin.action(description=__("Enable: what happens from now on is sent again"), permissions=["disable"])
    def enable(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Whoever or whatever disabled it."""
        done = _each(request, queryset, endpoints.enable)
        messages.success(request, ngettext("%d webhook was enabled.", "%d webhooks were enabled.", done) % done)

    @admin.display(description=__("URL"))
    def shown_url(self, endpoint: WebhookEndpoint) -> SafeString:
        return _url(endpoint.url)

    @admin.display(description=__("API key"))
    def key(self, endpoint: WebhookEndpoint) -> SafeString:
        return rendering.line(str(endpoint.api_key or ""))

    @admin.display(description=__("description"))
    def words(self, endpoint: WebhookEndpoint) -> SafeString:
        return rendering.line(endpoint.description, length=200)

    @admin.display(description=__("events"))
    def told_of(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.events) or _("all")

    @admin.display(description=__("state"))
    def state(self, endpoint: WebhookEndpoint) -> SafeString:
        if endpoint.disabled_at is not None:
            return rendering.badge(_("disabled: %s") % endpoint.disabled_because, "danger")
        if endpoint.failing_since is not None:
            return rendering.badge(_("failing"), "warning")
        return rendering.badge(_("active"), "success")


@admin.register(WebhookDelivery)
class DeliveryPage(LongList, ReadOnlyPage):
    """Each message to each receiver. What it says is on the task's page."""

    list_display = ("message", "type", "shown_url", "owner", "shown_state", "tries", "outcome", "tried_at", "next_try")
    list_filter = ("state",)
    list_select_related = ("owner",)
    newest_by = ("seq",)
    search_fields = ("target", "owner__username")
    search_help_text = __("Host or user")
    fields = (
        *("message", "type", "about", "owner", "shown_url", "shown_state", "tries", "outcome"),
        *("created_at", "tried_at", "next_try", "ended_at"),
    )
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return super().get_queryset(request).defer("body")

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.change_webhookdelivery")

    @admin.action(description=__("Send the selected messages again"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Under the same ids, by which receivers know what they have already."""
        chosen = list(queryset.values_list("seq", flat=True))
        done = sum(endpoints.send_again(seq, actor(request)) for seq in chosen)
        if done:
            messages.success(request, ngettext("%d message is sent again.", "%d messages are sent again.", done) % done)
        if left := len(chosen) - done:
            text = ngettext(
                "%d message is not: it is still being sent, or its webhook is disabled.",
                "%d messages are not: they are still being sent, or their webhooks are disabled.",
                left,
            )
            messages.warning(request, text % left)

    @admin.display(description=__("message"))
    def message(self, delivery: WebhookDelivery) -> SafeString:
        return rendering.code(str(delivery))

    @admin.display(description=__("about"))
    def about(self, delivery: WebhookDelivery) -> SafeString:
        if delivery.task is None:
            return rendering.line(str(delivery.subject or ""))
        link = reverse("admin:processing_task_change", args=[delivery.task_id])
        return format_html('<a href="{}">{}</a>', link, delivery.task)

    @admin.display(description=__("URL"))
    def shown_url(self, delivery: WebhookDelivery) -> SafeString:
        return _url(delivery.url)

    @admin.display(description=__("state"))
    def shown_state(self, delivery: WebhookDelivery) -> SafeString:
        state = State(delivery.state)
        return rendering.badge(str(state.label), BADGES[state])

    @admin.display(description=__("last answer"))
    def outcome(self, delivery: WebhookDelivery) -> SafeString:
        return rendering.line(str(delivery.last_status or "") or delivery.last_error)

    @admin.display(description=__("next try"))
    def next_try(self, delivery: WebhookDelivery) -> Any:
        return delivery.next_at if delivery.state == State.PENDING else None


def _each(request: HttpRequest, rows: QuerySet[WebhookEndpoint], change: Callable[[UUID, Actor], bool]) -> int:
    return sum(change(row.pk, actor(request)) for row in rows)


def _url(url: str) -> SafeString:
    """Without its query, where receivers have their tokens."""
    return rendering.line(url.partition("?")[0], length=60)
