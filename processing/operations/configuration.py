"""Changing, showing, restoring and moving the whole configuration: the parameters, and the registry's settings of
single models. Who changed what is told in the audit trail."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from modelsregistry import registry
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.errors import InvalidInput
from processing.runtime import configuration, revisions, strict_json
from processing.runtime.configuration import Changed, InForce
from processing.runtime.overrides import Difference, Document, as_change, differences, dotted, leaves, without_nulls
from processing.runtime.parameters import ModelSettings

SETTINGS_OF_MODELS = tuple(ModelSettings.model_fields)
MAX_REASON_LENGTH = 500
_MODELS = "model_configs"
_SET_HERE = ("stored", "registry")  # sources of what an administrator set
_BESIDE = frozenset({"api_v2", "sources", "revision", "version", "exported_at"})  # what a file may have


@dataclass(frozen=True, slots=True)
class Terms:
    """Who makes a change, and why; `expected` is the revision that must be in force then, None being any."""

    actor: Actor
    reason: str = ""
    expected: int | None = None


def change(partial: Mapping[str, Any], terms: Terms) -> Changed:
    """Change some settings, all of them or none. What `model_configs` says of a registered model is written to its
    row too, so that both always tell the same. Raises `InvalidInput`."""
    author = _author(terms)
    with transaction.atomic():
        before = configuration.newest().parameters.model_configs
        changed = configuration.change(partial, author=author, reason=terms.reason, expected=terms.expected)
        if _MODELS in partial:
            named = partial[_MODELS]
            named = dict.fromkeys(before) if named is None else named
            keys = {model: SETTINGS_OF_MODELS if its is None else its for model, its in named.items()}
            _write_models(changed, keys, terms.actor)
        _tell(terms.actor, "changed", changed)
    return changed


def restore(number: int, terms: Terms, *, skip_invalid: bool = False) -> Changed:
    """Put back what an earlier revision had stored, as a new revision; the rows of models with it.

    Raises `NotFound`, and `InvalidInput` naming the settings that this version does not understand, unless these are
    to be skipped.
    """
    wanted = revisions.find(number).overrides
    reason = f"Return to revision {number}" + (f": {terms.reason}" if terms.reason else "")
    again = Terms(terms.actor, reason[:MAX_REASON_LENGTH], terms.expected)
    _require_storable(terms.reason)
    return _replace(wanted, again, "restored", skip_invalid=skip_invalid)


def what_restoring_changes(number: int) -> tuple[Difference, ...]:
    """From what is stored now to what was stored then. Raises `NotFound`."""
    return differences(configuration.stored()[1], revisions.find(number).overrides)


def take_in(document: Any, terms: Terms) -> Changed:
    """Make the stored settings those of an exported document, all of them or none. Raises `InvalidInput`."""
    return _replace(_settings_of(document), terms, "imported")


def what_taking_in_changes(document: Any, expected: int | None = None) -> tuple[Difference, ...]:
    """What `take_in` would do. Raises `InvalidInput` as it does."""
    wanted = without_nulls(_settings_of(document))
    found = configuration.not_understood(wanted)
    if found:
        raise InvalidInput("This configuration is not valid here.", "invalid_parameter", errors=found)
    number, stored = configuration.stored()
    configuration.require_revision(expected, number)
    return differences(stored, wanted)


def read_file(content: bytes) -> Any:
    """The document in a file. Raises `InvalidInput`."""
    try:
        return strict_json.loads(content)
    except strict_json.MalformedJsonError as error:
        raise InvalidInput("The file is no JSON.", "malformed_body") from error


def export() -> dict[str, Any]:
    """What administrators set, and nothing that is a default or came from the environment; without secrets."""
    whole = document()
    kept = (
        Difference(path, None, value)
        for path, value in leaves(whole["api_v2"])
        if whole["sources"].get(dotted(path)) in _SET_HERE
    )
    return {
        "version": settings.API_V2_VERSION,
        "revision": whole["revision"],
        "exported_at": time.time(),
        "api_v2": as_change(kept),
    }


def document() -> dict[str, Any]:
    """The newest configuration as JSON, without secrets: `api_v2`, and for each dotted key in `sources` where its
    value comes from (`default`, `environment:<VARIABLE>`, `stored`, `registry`)."""
    whole = configuration.as_document(configuration.newest())
    for entry in registry.catalogue():
        for key in SETTINGS_OF_MODELS:
            value, name = getattr(entry, key), f"{_MODELS}.{entry.id}.{key}"
            known = whole["api_v2"][_MODELS].setdefault(entry.id, {})
            if value is not None and known.get(key) != value:
                known[key] = value
                whole["sources"][name] = "registry"
        if not whole["api_v2"][_MODELS][entry.id]:
            del whole["api_v2"][_MODELS][entry.id]
    return whole


def _replace(wanted: Document, terms: Terms, action: str, *, skip_invalid: bool = False) -> Changed:
    author = _author(terms)
    with transaction.atomic():
        changed = configuration.replace(
            wanted, author=author, reason=terms.reason, expected=terms.expected, skip_invalid=skip_invalid
        )
        touched = [each.path for each in changed.differences] + [path for path, _ in leaves(wanted)]
        keys: dict[str, list[str]] = {}
        for path in touched:
            if path[0] == _MODELS and len(path) == 3:
                keys.setdefault(path[1], []).append(path[2])
        _write_models(changed, keys, terms.actor)
        _tell(terms.actor, action, changed)
    return changed


def _write_models(in_force: InForce, keys: Mapping[str, Iterable[str]], actor: Actor) -> None:
    """Let the rows of these models say what was stored for them."""
    for model_id, names in keys.items():
        wanted = {name: _stored(in_force, model_id, name) for name in names if name in SETTINGS_OF_MODELS}
        row = registry.configure(model_id, wanted)
        if row is not None:
            audit.record(actor, "changed", Target("model", str(row), model_id), wanted)


def _stored(in_force: InForce, model_id: str, key: str) -> Any:
    """What was set for a model at run time; None where nothing was, and the defaults hold."""
    if in_force.sources.get(f"{_MODELS}.{model_id}.{key}") != "stored":
        return None
    return getattr(in_force.parameters.model_configs[model_id], key)


def _tell(actor: Actor, action: str, changed: Changed) -> None:
    if changed.differences:
        told = {each.key: {"old": each.old, "new": each.new} for each in changed.differences}
        number = str(changed.revision)
        audit.record(actor, action, Target("configuration", number, f"revision {number}"), told)


def _settings_of(document: Any) -> Document:
    """The settings in an exported document, or in a copy of `/api/v1/configs`, of which it takes what had been set.

    Raises `InvalidInput`.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("api_v2"), Mapping):
        raise _not_a_configuration({"api_v2": ["This must be an object with the settings."]})
    unknown = {str(name): ["There is no such part."] for name in document if name not in _BESIDE}
    if unknown:
        raise _not_a_configuration(unknown)
    settings_in_it = dict(document["api_v2"])
    sources = document.get("sources")
    if sources is None:
        return settings_in_it
    if not isinstance(sources, Mapping):
        raise _not_a_configuration({"sources": ["This must be an object."]})
    return as_change(
        Difference(path, None, value)
        for path, value in leaves(settings_in_it)
        if sources.get(dotted(path)) in _SET_HERE
    )


def _not_a_configuration(errors: dict[str, list[str]]) -> InvalidInput:
    return InvalidInput("This is no exported configuration.", "invalid_parameter", errors=errors)


def _author(terms: Terms) -> User | None:
    """Raises `InvalidInput` for a reason that cannot be stored."""
    _require_storable(terms.reason)
    return User.objects.filter(pk=terms.actor.user_id).first() if terms.actor.user_id is not None else None


def _require_storable(reason: str) -> None:
    """Databases refuse a null character and half of a surrogate pair."""
    unfit = any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in reason)
    if unfit or len(reason) > MAX_REASON_LENGTH:
        raise InvalidInput(
            "The configuration was not changed: the reason is not valid.",
            "invalid_parameter",
            errors={"reason": [f"This must be a text of at most {MAX_REASON_LENGTH} characters."]},
        )
