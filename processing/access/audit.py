"""Who did what to keys, limits, models, configuration and tasks: entries are added, and never changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from processing.access.models import AuditEntry

Door = Literal["api", "admin", "command", "service"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user by their id and name (None and empty for a command or the service itself), through which door,
    and, through the API, with which key (its first characters) and in which request."""

    door: Door
    user_id: int | None = None
    name: str = ""
    key: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted on. `kind` is `key`, `limits`, `budget`, `provider`, `model`, `configuration`, `task`, `document`
    or `user`; `name` is how a person knows it and never a secret."""

    kind: str
    id: str
    name: str = ""


def record(actor: Actor, action: str, target: Target, changes: Mapping[str, Any] | None = None) -> None:
    """Add an entry; inside the transaction of what it tells, so that both are there or neither.

    `action` is a verb such as `created`, `revoked` or `changed`; `changes` is plain JSON, without secrets and without a
    document's, a prompt's or an answer's text.
    """
    AuditEntry.objects.create(
        door=actor.door,
        actor_id=actor.user_id,
        actor_name=actor.name,
        actor_key=actor.key,
        request_id=actor.request_id,
        action=action,
        target_kind=target.kind,
        target_id=target.id,
        target_name=target.name[:255],
        changes=dict(changes or {}),
    )
