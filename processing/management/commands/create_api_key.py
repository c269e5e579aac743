"""`manage.py create_api_key`: a key on stdout and nothing else, for scripts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from processing.access import keys
from processing.access.models import ApiKey

_NO_TABLES = (
    "The database has no tables yet. Start the service once; if it runs with variables of its own, "
    "such as API_V2_DATA_DIR, give this command the same."
)


class Command(BaseCommand):
    help = "Make an API key and print it. It is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="whose key it is; by default the first administrator's")
        parser.add_argument("--admin", action="store_true", help="let the key use the administrator's routes as well")
        parser.add_argument("--name", default="", help="what the key is for")

    def handle(self, **options: Any) -> None:
        if ApiKey._meta.db_table not in connection.introspection.table_names():
            raise CommandError(_NO_TABLES)
        user = _user(options["user"])
        if options["admin"] and not user.is_staff:
            self.stderr.write(f"{user.username} has no administrator's permissions, so neither has this key.")
        _, secret = keys.mint(user, options["name"], [keys.ADMIN_SCOPE] if options["admin"] else [])
        self.stdout.write(secret)


def _user(name: str | None) -> User:
    users = User.objects.filter(is_active=True).order_by("pk")
    user = users.filter(username=name).first() if name else users.filter(is_superuser=True).first()
    if user is None:
        raise CommandError(
            f"There is no active user {name!r}." if name else "There is no administrator yet: start the service once."
        )
    return user
