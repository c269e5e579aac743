"""Who did what to keys, limits, models, configuration and tasks: entries are added, and never changed or deleted.

The database itself refuses to change or to delete one (migration `audit_is_append_only`).
"""

from __future__ import annotations

import logging
import math
import os
import pwd
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from django.db import models, transaction

from processing.access.models import AuditEntry

logger = logging.getLogger(__name__)

Door = Literal["api", "admin", "command", "service"]

_LONGEST_TEXT = 2000  # characters of one value
_ITEMS = 100  # of one list or object
_DEPTH = 8
# Whatever was handed over: credentials in an address (`http://user:password@proxy`) and our own keys are left out.
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)|\bsk-[A-Za-z0-9_-]{20,}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # databases refuse them


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user by their id and name (None and empty for the service itself; for a command None, and the name of
    the system's user where it tells that), through which door, and, through the API, with which key (its first
    characters) and in which request."""

    door: Door
    user_id: int | None = None
    name: str = ""
    key: str = ""
    request_id: str = ""


COMMAND = Actor("command")
SERVICE = Actor("service")


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted on. `kind` is `key`, `limits`, `budget`, `provider`, `model`, `configuration`, `task`, `batch`,
    `document`, `user`, `group` or `backup`; `name` is how a person knows it and never a secret."""

    kind: str
    id: str
    name: str = ""


def by_command() -> Actor:
    """A command, by the name of the system's user who runs it, where that has one."""
    try:
        return Actor("command", name=pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return COMMAND


def record(actor: Actor, action: str, target: Target, changes: Mapping[str, Any] | None = None) -> None:
    """Add an entry; inside the transaction of what it tells, so that both are there or neither.

    `action` is a verb such as `created`, `revoked` or `changed`; `changes` is plain JSON, without secrets and without a
    document's, a prompt's or an answer's text. Very long values are cut.
    """
    entry = AuditEntry(
        door=actor.door,
        actor_id=actor.user_id,
        actor_name=_text(actor.name)[:150],
        actor_key=_text(actor.key)[:12],
        request_id=_text(actor.request_id)[:64],
        action=action,
        target_kind=target.kind,
        target_id=_text(target.id)[:64],
        target_name=_text(target.name)[:255],
        changes=_plain(dict(changes or {})),
    )
    entry.save(force_insert=True)
    transaction.on_commit(partial(_log, entry))


def values_of(row: models.Model, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """The row's fields by name, as an entry tells them; rows that it refers to by their names. A field that is called
    `password` or `digest`, or whose name ends in `_encrypted`, is told by whether it is set."""
    values: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        if field.primary_key or field.name in leave_out or getattr(field, "auto_now", False):
            continue
        value = getattr(row, field.name)
        values[field.name] = str(value) if isinstance(value, models.Model) else value
        if field.name.endswith("_encrypted") or field.name in ("password", "digest"):
            values[field.name] = _Hidden(value)
    for many in row._meta.many_to_many:
        if many.name not in leave_out:
            values[many.name] = sorted(str(each) for each in getattr(row, many.name).all())
    return values


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """For `changes`: what differs, as `{name: {"from": …, "to": …}}`; without `from` where nothing was before."""
    return {
        name: {"to": value} if name not in before else {"from": before[name], "to": value}
        for name, value in after.items()
        if name not in before or before[name] != value
    }


@contextmanager
def changing(actor: Actor, kind: str, row: models.Model, name: str, *, is_new: bool = False) -> Iterator[None]:
    """Record what the block changes of a row that is in the database: nothing where it changes nothing. Only inside the
    transaction of the change."""
    before = {} if is_new else values_of(row)
    yield
    row = type(row)._base_manager.get(pk=row.pk)
    changes = difference(before, values_of(row))
    if changes:
        record(actor, "created" if is_new else "changed", Target(kind, str(row.pk), name), changes)


class _Hidden:
    """A value that differs from others and is never told."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hidden) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __str__(self) -> str:
        return "(set)" if self._value else "(not set)"


def _plain(value: Any, depth: int = 0) -> Any:
    """As JSON, without what no database takes and no entry may hold."""
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth < _DEPTH and isinstance(value, Mapping):
        return {_text(str(name)): _plain(each, depth + 1) for name, each in list(value.items())[:_ITEMS]}
    if depth < _DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        more = [f"… and {len(value) - _ITEMS} more"] if len(value) > _ITEMS else []
        return [_plain(each, depth + 1) for each in list(value)[:_ITEMS]] + more
    return _text(str(value))


def _text(text: str) -> str:
    text = _SECRET.sub("…", _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text))
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _log(entry: AuditEntry) -> None:
    """Names of files and people are for those who may read the entry."""
    logger.info(
        "audit",
        extra={
            "entry": entry.pk,
            "door": entry.door,
            "actor": entry.actor_id,
            "action": entry.action,
            "target": f"{entry.target_kind}:{entry.target_id}",
            "request_id": entry.request_id,
        },
    )
