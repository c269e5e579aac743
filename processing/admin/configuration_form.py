"""The form of all parameters, made from the parameters themselves: a new one appears here without anybody's doing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import forms
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from processing.admin import rendering
from processing.errors import InvalidInput
from processing.operations.configuration import MAX_REASON_LENGTH
from processing.runtime import strict_json
from processing.runtime.defaults import defaults
from processing.runtime.overrides import Difference, Document, Path, as_change, differences, without_nulls
from processing.runtime.schema import Setting, every_setting

# No parameter begins so: these stand beside them.
REASON, REVISION, RESET = "_reason", "_revision", "_reset."
_LONG = 500  # characters, from which a text gets more than a line

_SOURCES = {"stored": (__("set here"), "primary"), "registry": (__("models"), "info")}


class NamesField(forms.CharField):
    """Names with commas or blanks between them, cleaned to a list."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # another value than text
        return value if isinstance(value, list) else (super().to_python(value) or "").replace(",", " ").split()

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, (list, tuple)) else value

    def validate(self, value: Any) -> None:
        """The parameters say what may stand there."""

    def run_validators(self, value: Any) -> None:
        """So do they of each."""


class ObjectField(forms.CharField):
    """A JSON object, cleaned to a dictionary."""

    def to_python(self, value: Any) -> Document:  # type: ignore[override]  # another value than text
        """Raises `ValidationError` for what is none."""
        if isinstance(value, dict):
            return value
        try:
            found = strict_json.loads((super().to_python(value) or "{}").encode())
        except strict_json.MalformedJsonError:
            found = None
        except InvalidInput as error:
            names = ", ".join(error.errors or ())
            raise forms.ValidationError(
                _("Given twice: %(names)s."), code="repeated", params={"names": names}
            ) from error
        if not isinstance(found, dict):
            raise forms.ValidationError(_("This is no JSON object."), code="malformed")
        return found

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict) else value

    def validate(self, value: Any) -> None:
        """The parameters say what may stand there."""

    def run_validators(self, value: Any) -> None:
        """So do they of each."""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter on the page: its field, its source as a badge, its default in words, and the box that resets it."""

    setting: Setting
    field: forms.BoundField
    source: SafeString
    default: str
    reset: forms.BoundField | None


class ConfigurationForm(forms.Form):
    """All parameters, as `whole` (an operation's document) has them; a field keeps beside it what it showed, so that
    what nobody touched is never sent back."""

    def __init__(self, whole: Mapping[str, Any], data: Any = None, *, editable: bool = True) -> None:
        super().__init__(data)
        self._sources: Mapping[str, str] = whole["sources"]
        for setting in every_setting():
            value = _at(whole["api_v2"], setting.path)
            self.fields[setting.name] = _field(setting, without_nulls(value) if setting.kind == "object" else value)
            if self._is_stored(setting):
                self.fields[RESET + setting.name] = forms.BooleanField(required=False, widget=UnfoldBooleanWidget)
        self.fields[REASON] = forms.CharField(
            label=__("Reason"),
            required=False,
            max_length=MAX_REASON_LENGTH,
            widget=UnfoldAdminTextInputWidget(),
            help_text=__("Why, for the history."),
        )
        self.fields[REVISION] = forms.IntegerField(
            widget=forms.HiddenInput, initial=whole["revision"], min_value=0, max_value=2**62
        )
        for field in self.fields.values():
            field.disabled = not editable

    def sections(self) -> list[tuple[str, list[Row]]]:
        """The rows under their titles."""
        sections = groupby(every_setting(), key=lambda setting: setting.section)
        return [(title, [self._row(setting) for setting in settings]) for title, settings in sections]

    def change(self) -> Document:
        """What was changed on the page, as a partial configuration; null resets."""
        touched = set(self.changed_data)
        wanted = []
        for setting in every_setting():
            if self.cleaned_data.get(RESET + setting.name):
                wanted.append(Difference(setting.path, None, None))
            elif setting.name in touched:
                wanted.append(Difference(setting.path, None, self._new_value(setting)))
        return as_change(wanted)

    def refuse(self, errors: Mapping[str, Iterable[str]]) -> None:
        """Put what is wrong, by dotted key, at the fields."""
        for key, sentences in errors.items():
            names = [name for name in self.fields if key == name or key.startswith(f"{name}.")]
            name = REASON if key == "reason" else max(names, key=len, default=None)
            shown = [sentence if key in (name, "", "reason") else f"{key}: {sentence}" for sentence in sentences]
            self.add_error(name, [rendering.visible(each) for each in shown])

    def rebased(self, whole: Mapping[str, Any]) -> ConfigurationForm:
        """What was changed on the page, over a newer configuration; all else as that has it."""
        fresh = ConfigurationForm(whole)
        touched = set(self.changed_data)
        data: dict[str, Any] = {}
        for name, field in fresh.fields.items():
            bound = fresh[name]
            data[bound.html_initial_name] = field.prepare_value(bound.initial)
            is_kept = name in touched and name != REVISION
            data[bound.html_name] = self.data.get(name) if is_kept else field.prepare_value(bound.initial)
        return ConfigurationForm(whole, data)

    def _new_value(self, setting: Setting) -> Any:
        value = self.cleaned_data[setting.name]
        if setting.kind != "object":
            return value
        bound = self[setting.name]
        shown: Document | None = self.fields[setting.name].to_python(self.data.get(bound.html_initial_name))
        return as_change(differences(without_nulls(shown or {}), without_nulls(value)))

    def _row(self, setting: Setting) -> Row:
        reset = RESET + setting.name
        return Row(
            setting=setting,
            field=self[setting.name],
            source=self._badge(setting),
            default=_words(_at(defaults().values, setting.path)),
            reset=self[reset] if reset in self.fields else None,
        )

    def _of(self, setting: Setting) -> list[str]:
        """The source of a parameter; of those in an object, all."""
        if setting.kind != "object":
            return [self._sources.get(setting.name, "default")]
        return [source for key, source in self._sources.items() if key.startswith(f"{setting.name}.")]

    def _is_stored(self, setting: Setting) -> bool:
        return "stored" in self._of(setting)

    def _badge(self, setting: Setting) -> SafeString:
        found = sorted({source for source in self._of(setting) if source != "default"}, reverse=True)
        if not found:
            return rendering.badge(_("default"))
        source = found[0]
        text, kind = _SOURCES.get(source, (source.removeprefix("environment:"), "info"))
        return rendering.badge(str(text), kind)


def _field(setting: Setting, value: Any) -> forms.Field:
    """A field for the type of the parameter; what is not a matter of form, the parameters themselves check."""
    common: dict[str, Any] = {
        "label": setting.name,
        "help_text": setting.takes,
        "initial": value,
        "show_hidden_initial": True,
        "required": not setting.nullable,
    }
    match setting.kind:
        case "boolean":
            return forms.BooleanField(**{**common, "required": False}, widget=UnfoldBooleanSwitchWidget())
        case "integer" | "number":
            kind = forms.IntegerField if setting.kind == "integer" else forms.FloatField
            bounds: dict[str, Any] = {"min_value": setting.minimum, "max_value": setting.maximum}
            attributes = {"inputmode": "decimal", "placeholder": "null" if setting.nullable else ""}
            return kind(**common, **bounds, widget=UnfoldAdminTextInputWidget(attrs=attributes))
        case "array":
            return NamesField(**common, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
        case "object":
            return ObjectField(**{**common, "required": False}, widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}))
        case _:
            is_long = (setting.max_length or 0) > _LONG
            widget = UnfoldAdminTextareaWidget(attrs={"rows": 4}) if is_long else UnfoldAdminTextInputWidget()
            return LinesField(**common, max_length=setting.max_length, widget=widget)


class LinesField(forms.CharField):
    """A text whose lines end as the API's do; browsers end them otherwise."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


def _at(values: Mapping[str, Any], path: Path) -> Any:
    value: Any = values
    for name in path:
        value = value[name]
    return value


def _words(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if value == {}:
        return _("none")
    return value if isinstance(value, str) else json.dumps(value)
