"""The configuration in force: the defaults, and what was changed at run time over them, the same in every process."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, IntegrityError, transaction
from pydantic import ValidationError

from processing.errors import InvalidInput, ServiceUnavailable
from processing.runtime.defaults import defaults, differing
from processing.runtime.models import ConfigurationRevision
from processing.runtime.overrides import (
    Difference,
    Document,
    as_change,
    differences,
    dotted,
    laid_over,
    leaves,
    without,
    without_nulls,
)
from processing.runtime.parameters import Parameters
from processing.runtime.validation import locations, problems, validated

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# A change must hold in every process within 2 s; each asks for the newest revision at most this often.
SECONDS_BETWEEN_CHECKS = 1.0
MAX_COLLISIONS = 50

_Stamp = tuple[int, datetime] | None


@dataclass(frozen=True, slots=True)
class InForce:
    """The parameters at one revision (0: nothing was ever changed).

    `sources` says of each dotted key where its value comes from: `default`, `environment:<VARIABLE>` or `stored`.
    """

    parameters: Parameters
    revision: int
    sources: Mapping[str, str]

    def was_set(self, key: str) -> bool:
        """Whether an operator set this parameter, in the environment or at run time."""
        return self.sources.get(key, "default") != "default"


@dataclass(frozen=True, slots=True)
class Changed(InForce):
    """What is in force after a change, and what the change did: no `differences`, no new revision."""

    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process knows: the configuration, the row it was made from, and when that was last the newest."""

    in_force: InForce
    stamp: _Stamp
    checked_at: float


_known: _Known | None = None
_asking = threading.Lock()


def current() -> InForce:
    """The configuration in force, at most a second old.

    While one thread asks the database, others go on with what is known; so does this one if the database cannot
    answer. Raises `django.db.DatabaseError` only where nothing is known yet.
    """
    known = _known
    if known is None:
        with _asking:
            return (_known or _refreshed(None)).in_force
    if time.monotonic() - known.checked_at < SECONDS_BETWEEN_CHECKS or not _asking.acquire(blocking=False):
        return known.in_force
    try:
        return _refreshed(known).in_force
    except DatabaseError:
        logger.warning("The stored configuration could not be read; the last known one holds", exc_info=True)
        return known.in_force
    finally:
        _asking.release()


def newest() -> InForce:
    """The configuration as it is stored at this moment, for those who are about to change it. Raises
    `django.db.DatabaseError`."""
    with _asking:
        return _refreshed(_known).in_force


def _refreshed(known: _Known | None) -> _Known:
    global _known
    asked_at = time.monotonic()
    # The time beside the number: a revision that was rolled back leaves its number to the next one.
    stamp: _Stamp = ConfigurationRevision.objects.values_list("id", "created_at").first()
    if known is not None and known.stamp == stamp:
        fresh = _Known(known.in_force, stamp, asked_at)
    else:
        row = ConfigurationRevision.objects.first()
        fresh = _Known(_in_force(row), (row.pk, row.created_at) if row else None, asked_at)
    _known = fresh
    return fresh


def at(revision: int) -> InForce | None:
    """The configuration that this revision made, over the defaults of today; None where there is no such revision."""
    row = ConfigurationRevision.objects.filter(pk=revision).first()
    return None if row is None and revision else _in_force(row)


def last_known() -> InForce | None:
    """What this process last read, however old; asks nobody."""
    return _known.in_force if _known else None


def forget() -> None:
    """Read the stored configuration anew at the next `current()`."""
    global _known
    _known = None


def _forget_in_child() -> None:
    global _asking
    _asking = threading.Lock()  # another thread of the parent may have held it at the fork


os.register_at_fork(after_in_child=_forget_in_child)


def change(
    partial: Mapping[str, Any], *, author: User | None, reason: str = "", expected: int | None = None
) -> Changed:
    """Change some settings, all of them or none; null resets one to its default. Returns what is then in force.

    Two changes at the same time both hold, the later over the earlier; unless `expected` is given: then nothing is
    changed where another revision than that is in force. Raises `InvalidInput` with a sentence per dotted key, or with
    the code `revision_mismatch`.
    """
    _refuse_invalid(_with_defaults_for_nulls(partial, defaults().values))
    return _write(lambda stored: without_nulls(laid_over(stored, partial)), _Note(author, reason, expected))


def replace(
    overrides: Mapping[str, Any],
    *,
    author: User | None,
    reason: str = "",
    expected: int | None = None,
    skip_invalid: bool = False,
) -> Changed:
    """Make `overrides` all that is stored: every other setting goes back to its default. Raises as `change` does;
    with `skip_invalid`, what this version of the service does not understand is left out instead."""
    wanted = _valid_part(without_nulls(overrides)) if skip_invalid else without_nulls(overrides)
    _refuse_invalid(wanted)
    return _write(lambda _stored: wanted, _Note(author, reason, expected))


@dataclass(frozen=True, slots=True)
class _Note:
    """What a revision says beside its settings, and the revision that it must follow, None being any."""

    author: User | None
    reason: str
    expected: int | None


def _write(edit: Callable[[Document], Document], note: _Note) -> Changed:
    """Store what `edit` makes of the stored settings."""
    for _ in range(MAX_COLLISIONS):
        newest = ConfigurationRevision.objects.first()
        require_revision(note.expected, newest.pk if newest else 0)
        overrides = edit(_valid_part(newest.overrides if newest else {}))
        found = differences(newest.overrides if newest else {}, overrides)
        if not found:
            return _changed(newest, ())
        # The next number is taken by hand: whoever comes second fails to insert it, and begins anew.
        row = ConfigurationRevision(
            pk=(newest.pk if newest else 0) + 1,
            overrides=overrides,
            changes=as_change(found),
            author=note.author,
            reason=note.reason,
        )
        with contextlib.suppress(IntegrityError), transaction.atomic():
            row.save(force_insert=True)
            keys = ",".join(difference.key for difference in found)
            logger.info("Configuration changed", extra={"revision": row.pk, "keys": keys})
            forget()
            transaction.on_commit(forget)  # what another thread has read meanwhile is the former configuration
            return _changed(row, found)
    raise ServiceUnavailable("Too many changes at the same time.", "configuration_busy", retry_after=1)


def require_revision(expected: int | None, newest: int) -> None:
    """Raises `InvalidInput` (`revision_mismatch`) where another revision was expected than the newest."""
    if expected not in (None, newest):
        raise InvalidInput(
            f"The configuration was changed meanwhile: revision {newest} is in force. Read it, and decide anew.",
            "revision_mismatch",
        )


def _changed(row: ConfigurationRevision | None, found: tuple[Difference, ...]) -> Changed:
    now = _in_force(row)
    return Changed(now.parameters, now.revision, now.sources, found)


def stored() -> tuple[int, Document]:
    """The newest revision's number, and the settings that differ from the defaults since."""
    row = ConfigurationRevision.objects.first()
    return (row.pk, _valid_part(row.overrides)) if row else (0, {})


def not_understood(overrides: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is wrong with settings that may come from another version: sentences by dotted key."""
    try:
        validated(laid_over(defaults().values, overrides))
    except ValidationError as error:
        return problems(error)
    return {}


def _refuse_invalid(wanted: Mapping[str, Any]) -> None:
    found = not_understood(wanted)
    if found:
        raise InvalidInput(
            "The configuration was not changed: some settings are not valid.", "invalid_parameter", errors=found
        )


def _with_defaults_for_nulls(partial: Mapping[str, Any], values: Mapping[str, Any]) -> Document:
    """What `partial` asks for, with nulls spelt out, so that a reset of a setting that does not exist is noticed."""
    filled: Document = {}
    for name, value in partial.items():
        below = values.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            resets_of_models = {model for model, its in value.items() if its is None} if name == "model_configs" else ()
            asked = {inner: its for inner, its in value.items() if inner not in resets_of_models}
            filled[name] = _with_defaults_for_nulls(asked, below)
        else:
            filled[name] = below if value is None else value
    return filled


def _in_force(row: ConfigurationRevision | None) -> InForce:
    given = defaults()
    overrides = _valid_part(row.overrides if row else {})
    parameters = validated(laid_over(given.values, overrides))
    stored = {path for path, _ in leaves(overrides)}
    sources = {
        dotted(path): "stored"
        if path in stored
        else f"environment:{given.variables[path]}"
        if path in given.variables
        else "default"
        for path, _ in leaves(parameters.model_dump(mode="json"))
    }
    return InForce(parameters, row.pk if row else 0, sources)


def _valid_part(overrides: Mapping[str, Any]) -> Document:
    """The stored changes without those that this version of the service no longer understands."""
    kept = dict(overrides)
    while True:
        try:
            validated(laid_over(defaults().values, kept))
        except ValidationError as error:
            location = tuple(str(part) for part in locations(error)[0])
            logger.warning(
                "A stored setting is not valid in this version; its default holds", extra={"setting": dotted(location)}
            )
            if not kept:
                raise
            smaller = without(kept, location) if location else {}
            kept = smaller if smaller != kept else {}
        else:
            return kept


def warn_of_overridden_environment() -> None:
    """Log one warning if the environment says something else than a stored change, which is what holds."""
    row = ConfigurationRevision.objects.first()
    names = differing(_valid_part(row.overrides)) if row else []
    if names:
        logger.warning(
            "The environment differs from settings that were changed at run time; the changes hold until they are "
            "reset with null at /admin/config",
            extra={"variables": ", ".join(names)},
        )


def as_document(in_force: InForce) -> Document:
    """The whole configuration as JSON, without secrets (it holds none): the values and the source of each."""
    return {
        "api_v2": in_force.parameters.model_dump(mode="json"),
        "sources": dict(in_force.sources),
        "revision": in_force.revision,
    }
