"""The sidebar: what is looked at daily first, what is set up once last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from processing.admin import playground


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """django-unfold's navigation, in its own shape; icons are names of Material Symbols."""
    return [
        {
            "items": [
                {"title": _("Overview"), "icon": "dashboard", "link": reverse("admin:index")},
                *_tasks(request),
                _list(_("Batches"), "stacks", "processing.batch"),
                _list(_("Documents"), "description", "processing.storeddocument"),
            ],
        },
        {
            "title": _("Models"),
            "separator": True,
            "items": [
                _list(_("Models"), "neurology", "modelsregistry.registeredmodel"),
                _list(_("Providers"), "hub", "modelsregistry.provider"),
            ],
        },
        {
            "title": _("Access"),
            "separator": True,
            "items": [
                _list(_("API keys"), "key", "processing.apikey"),
                _list(_("Sign-ins"), "login", "processing.signin"),
                _list(_("Failed sign-ins"), "lock_clock", "axes.accessattempt"),
                _list(_("Rate limits"), "speed", "processing.callerlimits"),
                _list(_("Budgets"), "savings", "processing.budget"),
                _list(_("Users"), "person", "auth.user"),
                _list(_("Groups"), "group", "auth.group"),
                _list(_("Audit"), "policy", "processing.auditentry"),
            ],
        },
        {
            "title": _("Webhooks"),
            "separator": True,
            "items": [
                _list(_("Endpoints"), "webhook", "processing.webhookendpoint"),
                _list(_("Deliveries"), "outgoing_mail", "processing.webhookdelivery"),
            ],
        },
        {
            "title": _("Operation"),
            "separator": True,
            "items": [
                _list(_("Worker hosts"), "dns", "processing.workerhost"),
                _list(_("Stored results"), "cached", "processing.cachedresult"),
                *_configuration(request),
                {"title": _("API documentation"), "icon": "api", "link": reverse("docs")},
            ],
        },
    ]


def _tasks(request: HttpRequest) -> list[dict[str, Any]]:
    """The list of tasks and the way to make one, whose address is below the list's."""
    tasks = _list(_("Tasks"), "assignment", "processing.task")
    link = reverse(playground.PAGE)
    is_here = request.path == link
    make = {"title": _("Playground"), "icon": "science", "link": link, "permission": playground.may_submit}
    is_below = request.path.startswith(tasks["link"]) and not is_here
    return [{**make, "active": is_here}, {**tasks, "active": is_below}]


def _configuration(request: HttpRequest) -> list[dict[str, Any]]:
    """The configuration and its history, whose addresses begin alike: only one of them is where the reader is."""
    history = _list(_("Configuration history"), "history", "processing.configurationrevision")
    link = reverse("admin:processing_configuration")
    is_here = request.path == link
    now = {**history, "title": _("Configuration"), "icon": "tune", "link": link, "active": is_here}
    return [now, {**history, "active": request.path.startswith(history["link"]) and not is_here}]


def _list(title: str, icon: str, label: str) -> dict[str, Any]:
    """The entry for a model's list; `label` is its app's and its own name."""
    link = reverse(f"admin:{label.replace('.', '_')}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": _may_view(label)}


def _may_view(label: str) -> Callable[[HttpRequest], bool]:
    app, name = label.split(".")

    def is_allowed(request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))

    return is_allowed
