"""What is asked of a provider. Its secret and its headers go in, and no page shows their values again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from modelsregistry.models import Provider

# Where the secret and the headers go.
_WHEREABOUTS = ("base_url", "proxy")


class UnechoedTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold is untyped
    """A textarea that is empty again when its form comes back with an error."""

    def format_value(self, value: object) -> None:
        return None


class HeadersField(forms.CharField):
    """Lines such as `Name: value`, cleaned to a dictionary. Whether they can be sent, the dialect's driver says."""

    def clean(self, value: object) -> dict[str, str]:
        """Raises `ValidationError` for a line that is no header, without repeating it."""
        found: dict[str, str] = {}
        for number, line in enumerate(super().clean(value).splitlines(), start=1):
            if not line.strip():
                continue
            name, colon, text = line.partition(":")
            name = name.strip()
            if not (colon and name) or name.lower() in (known.lower() for known in found):
                raise forms.ValidationError(
                    _("Line %(number)d is no header, or one that was there before."),
                    code="malformed",
                    params={"number": number},
                )
            found[name] = text.strip()
        return found


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
    new_headers = HeadersField(
        label=__("New headers"),
        required=False,
        widget=UnechoedTextarea(attrs={"rows": 3, "autocomplete": "off"}),
        help_text=__(
            "Sent with every request, one a line, such as X-Tenant: blue. They replace the stored ones, are stored "
            "encrypted, and their values are never shown. Empty: the stored ones stay."
        ),
    )
    forget_headers = forms.BooleanField(
        label=__("Forget the stored headers"), required=False, widget=UnfoldBooleanWidget
    )

    class Meta:
        model = Provider
        fields = (
            *("name", "kind", "base_url", "options", "enabled", "timeout", "stall_timeout"),
            *("proxy", "max_concurrency", "allow_private"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.from_environment:
            del self.fields["new_secret"], self.fields["forget_secret"]

    def clean(self) -> dict[str, Any] | None:
        """The secret is set before the model is validated, so that its driver is asked about the new one."""
        cleaned = super().clean()
        # Else whoever may edit the address could have them sent to a server of their own, and read them.
        moved = any(name in self.changed_data for name in _WHEREABOUTS)
        if self.cleaned_data.get("new_secret"):
            self.instance.secret = self.cleaned_data["new_secret"]
        elif self.cleaned_data.get("forget_secret"):
            self.instance.secret = ""
        elif self.instance.secret_encrypted and moved:
            self.add_error(
                "new_secret", _("With another address or proxy, the secret has to be entered again, or forgotten.")
            )
        if self.cleaned_data.get("new_headers"):
            self.instance.headers = self.cleaned_data["new_headers"]
        elif self.cleaned_data.get("forget_headers"):
            self.instance.headers = {}
        elif self.instance.headers_encrypted and moved:
            self.add_error(
                "new_headers", _("With another address or proxy, the headers have to be entered again, or forgotten.")
            )
        return cleaned
