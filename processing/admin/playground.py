"""The playground: a person hands in a document and a prompt, and watches the answer come.

The page itself asks nothing: its scripts call the API as whoever is signed in, so that what holds there (models, rates,
budgets, limits) holds here.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _

from modelsregistry import registry
from modelsregistry.errors import ModelError
from modelsregistry.registry import Asker, ModelEntry
from processing.access import model_access
from processing.admin import rendering
from processing.runtime.configuration import InForce, current
from processing.runtime.parameters import MAX_PROMPT_LENGTH, MIN_PROMPT_LENGTH

MAY_SUBMIT = "processing.add_task"
PAGE = "admin:processing_playground"
LANGUAGES = ({"id": "curl", "name": "curl"}, {"id": "python", "name": "Python"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A model to choose; an empty `value` leaves the choice to the service."""

    value: str
    words: str
    is_available: bool = True


def may_submit(request: HttpRequest) -> bool:
    """Whether the page is for whoever asks."""
    return request.user.has_perm(MAY_SUBMIT)


def page(request: HttpRequest) -> HttpResponse:
    """The form, and room for what comes of it. Raises `PermissionDenied`."""
    if not may_submit(request):
        raise PermissionDenied
    in_force = current()
    context = {
        **admin.site.each_context(request),
        "title": _("Playground"),
        "models": choices(model_access.asker(request.user.pk or 0, None), in_force),
        "formats": ", ".join(in_force.parameters.supported_formats),
        "largest": filesizeformat(in_force.parameters.file_limit),
        "languages": LANGUAGES,
        "shortest_prompt": MIN_PROMPT_LENGTH,
        "longest_prompt": MAX_PROMPT_LENGTH,
        "process": reverse("process-list"),
        "tasks": reverse("tasks-list"),
        "found": reverse("admin:processing_task_changelist") if request.user.has_perm("processing.view_task") else "",
    }
    return render(request, "processing/admin/playground.html", context)


def choices(asker: Asker, in_force: InForce) -> list[Choice]:
    """The service's default, then each model that the asker may use."""
    return [_default(asker, in_force), *(_choice(entry) for entry in registry.catalogue(asker))]


def _default(asker: Asker, in_force: InForce) -> Choice:
    wanted = in_force.parameters.admin_model
    try:
        model = registry.default_model(wanted, chosen=in_force.was_set("admin_model"), asker=asker)
    except ModelError:  # whoever leaves the choice to the service is told by the API what is wrong
        return Choice("", _("The default model"))
    return Choice("", _("The default model (%s)") % rendering.visible(model.id))


def _choice(entry: ModelEntry) -> Choice:
    words = rendering.visible(entry.id if entry.name == entry.id else f"{entry.name} ({entry.id})")
    if not entry.available:
        words = _("%(model)s: not available") % {"model": words}
    return Choice(entry.id, words, entry.available)
