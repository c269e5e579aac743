"""`manage.py list_api_keys`: which keys there are, without their secrets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from processing.access.models import ApiKey


class Command(BaseCommand):
    help = "List the API keys that open something: id, first characters, user, state, end, last use, limits and name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="only this user's")
        parser.add_argument("--all", action="store_true", help="revoked and expired ones, too")
        parser.add_argument("--json", action="store_true", help="one JSON object to a line")

    def handle(self, **options: Any) -> None:
        found = ApiKey.objects.select_related("user").order_by("pk")
        if options["user"]:
            found = found.filter(user__username=options["user"])
        for key in found.iterator():
            if options["all"] or key.state() == "active":
                row = _row(key)
                self.stdout.write(json.dumps(row) if options["json"] else "  ".join(_words(row)))


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "key": f"{key.prefix}…",
        "user": key.user.get_username(),
        "state": key.state(),
        "expires": _moment(key.expires_at),
        "last_used": _moment(key.last_used_at),
        "scopes": key.scopes,
        "endpoints": key.allowed_endpoints,
        "networks": key.allowed_networks,
        "previous_secret_until": _moment(key.previous_until),
        "name": key.name,
    }


def _words(row: dict[str, Any]) -> list[str]:
    words = [f"{row['id']:>5}", row["key"], row["user"], row["state"], f"expires {row['expires'] or 'never'}"]
    words += [f"used {row['last_used'] or 'never'}"]
    words += [",".join(row[name]) for name in ("scopes", "endpoints", "networks") if row[name]]
    words += [row["name"]] if row["name"] else []
    # A name moves no cursor, whoever chose it.
    return [word if word.isprintable() else ascii(word) for word in words]


def _moment(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None
