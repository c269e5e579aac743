"""The admin's page of the configuration: what is in force, where each value comes from, and a way to change it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.configuration_form import REASON, REVISION, ConfigurationForm
from processing.errors import InvalidInput, NotFound, ServiceUnavailable
from processing.operations import configuration
from processing.operations.configuration import Terms
from processing.runtime import revisions
from processing.runtime.configuration import not_understood
from processing.runtime.overrides import differences

MAY_VIEW, MAY_CHANGE = "processing.view_configurationrevision", "processing.add_configurationrevision"
PAGE = "admin:processing_configuration"


def page(request: HttpRequest) -> HttpResponse:
    """The form; a POST changes what was changed on it."""
    if not request.user.has_perm(MAY_VIEW):
        raise PermissionDenied
    editable = request.user.has_perm(MAY_CHANGE)
    whole = configuration.document()
    if request.method != "POST":
        return _shown(request, ConfigurationForm(whole, editable=editable), editable=editable)
    if not editable:
        raise PermissionDenied
    form = ConfigurationForm(whole, request.POST)
    return _saved(request, form) if form.is_valid() else _shown(request, form)


def _saved(request: HttpRequest, form: ConfigurationForm) -> HttpResponse:
    terms = Terms(actor(request), form.cleaned_data[REASON], form.cleaned_data[REVISION])
    try:
        changed = configuration.change(form.change(), terms)
    except (InvalidInput, ServiceUnavailable) as error:
        if error.code == "revision_mismatch":
            return _collided(request, form)
        form.refuse(error.errors or {"": [error.detail]})
        return _shown(request, form)
    if changed.differences:
        messages.success(request, _("Revision %d is in force.") % changed.revision)
    else:
        messages.info(request, _("Nothing was changed."))
    return HttpResponseRedirect(reverse(PAGE))


def _collided(request: HttpRequest, form: ConfigurationForm) -> HttpResponse:
    """Somebody else was first: show what they changed, and keep what this one wanted."""
    whole = configuration.document()
    newest = revisions.find(whole["revision"]) if whole["revision"] else None
    who = newest.author.get_username() if newest and newest.author else _("somebody")
    messages.warning(
        request,
        _("%(who)s changed the configuration meanwhile: nothing of yours is saved yet. Look at it, and save again.")
        % {"who": rendering.visible(who)},
    )
    shown = form.cleaned_data[REVISION]
    before = revisions.find(shown).overrides if 0 < shown < whole["revision"] else {}
    meanwhile = differences(before, newest.overrides if newest else {})
    return _shown(request, form.rebased(whole), meanwhile=rendering.differences(meanwhile))


def _shown(request: HttpRequest, form: ConfigurationForm, *, editable: bool = True, **more: Any) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        **more,
        "title": _("Configuration"),
        "form": form,
        "editable": editable,
        "reason": form[REASON],
        "revision": form[REVISION],
        "history": reverse("admin:processing_configurationrevision_changelist"),
        "export": reverse("admin-config-export"),
        "models": reverse("admin:modelsregistry_registeredmodel_changelist"),
    }
    return render(request, "processing/admin/configuration.html", context)


def restore_page(request: HttpRequest, number: int, opts: type[Model]) -> HttpResponse:
    """Asks before it goes back to a revision, with what that changes. Its caller has checked the permission."""
    try:
        row = revisions.find(number)
    except NotFound:
        messages.error(request, _("There is no such revision."))
        return HttpResponseRedirect(reverse("admin:processing_configurationrevision_changelist"))
    if request.method == "POST" and _restored(request, number):
        return HttpResponseRedirect(reverse("admin:processing_configurationrevision_changelist"))
    changes = configuration.what_restoring_changes(number)
    context = {
        **admin.site.each_context(request),
        "title": _("Return to revision %d") % number,
        "opts": opts._meta,
        "row": row,
        "changes": rendering.differences(changes) if changes else "",
        "not_understood": {rendering.visible(key): each for key, each in not_understood(row.overrides).items()},
        "newest": configuration.document()["revision"],
        "back": reverse("admin:processing_configurationrevision_change", args=[number]),
    }
    return render(request, "processing/admin/restore.html", context)


def _restored(request: HttpRequest, number: int) -> bool:
    expected = request.POST.get("revision", "")
    if not (expected.isascii() and expected.isdecimal() and len(expected) < 19):
        return False
    terms = Terms(actor(request), request.POST.get("reason", ""), int(expected))
    try:
        changed = configuration.restore(number, terms, skip_invalid="skip_invalid" in request.POST)
    except (InvalidInput, ServiceUnavailable) as error:
        messages.error(request, error.detail)
        return False
    if changed.differences:
        text = _("Revision %(new)d is in force, with the settings of revision %(old)d.")
        messages.success(request, text % {"new": changed.revision, "old": number})
    else:
        messages.info(request, _("Nothing was changed."))
    return True
