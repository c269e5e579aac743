"""What is asked before an API key is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from processing.access import keys, restrictions
from processing.access.models import ApiKey
from processing.access.restrictions import Restrictions

SCOPES = [(keys.ADMIN_SCOPE, __("admin: may use the administrator's routes, as far as its user may"))]


class Lines(forms.CharField):
    """A list of texts, one to a line; each is converted, which raises `ValueError` with a sentence."""

    def __init__(self, convert: Callable[[str], str], **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **options)
        self._convert = convert

    def clean(self, value: Any) -> list[str]:
        """Raises `ValidationError` with all sentences."""
        found: dict[str, None] = {}  # ordered, each once
        wrong: list[str] = []
        lines = [line.strip() for line in super().clean(value).splitlines()]
        for line in filter(None, lines):
            try:
                found[self._convert(line)] = None
            except ValueError as error:
                wrong.append(str(error))
        if len(found) > restrictions.MAX_ENTRIES:
            wrong.append(_("There may be %d of these at most.") % restrictions.MAX_ENTRIES)
        if wrong:
            raise forms.ValidationError(wrong)
        return list(found)


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """What is asked before a key is made."""

    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=__("Without a scope, a key submits documents and reads its owner's tasks."),
    )

    allowed_endpoints = Lines(
        restrictions.endpoint,
        help_text=__(
            "Paths that it may call, such as /api/v2/process, one to a line, with what is below them. "
            "Empty: all that the service allows to keys."
        ),
    )
    allowed_networks = Lines(
        restrictions.network,
        help_text=__("Networks that it may be used from, such as 192.0.2.0/24, one to a line. Empty: all."),
    )

    class Meta:
        model = ApiKey
        fields = ("user", "name", "scopes", "expires_at", "allowed_endpoints", "allowed_networks", "allowed_models")
        help_texts = {
            "user": __("The key acts as this user."),
            "name": __("Where it is used, to tell it by."),
            "expires_at": __("Empty: it holds until it is revoked."),
        }

    def clean_expires_at(self) -> datetime | None:
        """Raises `ValidationError` for a key that would never work."""
        moment: datetime | None = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError(_("This moment has passed."), code="expired")
        return moment

    def restrictions(self) -> Restrictions:
        """What the key is limited to, once the form is valid."""
        asked = self.cleaned_data
        return Restrictions(
            asked["expires_at"],
            asked["allowed_endpoints"],
            asked["allowed_networks"],
            [model.public_id for model in asked["allowed_models"]],
        )
