"""`manage.py create_api_key`: a key on stdout and nothing else, for scripts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from processing.access import audit, keys, moments
from processing.access.models import ApiKey
from processing.access.restrictions import Restrictions
from processing.errors import InvalidInput

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
        parser.add_argument("--scope", action="append", choices=keys.SCOPES, default=[], help="the same, by its name")
        parser.add_argument("--expires", metavar="WHEN", help="when it ends: 90d, 12h, 2027-01-31; by default never")
        parser.add_argument(
            "--endpoint", action="append", default=[], metavar="PATH", help="a path that it may call; may be repeated"
        )
        parser.add_argument(
            "--network", action="append", default=[], metavar="CIDR", help="where it may be used from; may be repeated"
        )
        parser.add_argument(
            "--model", action="append", default=[], metavar="ID", help="a model that it may use; may be repeated"
        )

    def handle(self, **options: Any) -> None:
        if ApiKey._meta.db_table not in connection.introspection.table_names():
            raise CommandError(_NO_TABLES)
        user = _user(options["user"])
        scopes = list(dict.fromkeys([*options["scope"], *([keys.ADMIN_SCOPE] if options["admin"] else [])]))
        if keys.ADMIN_SCOPE in scopes and not user.is_staff:
            self.stderr.write(f"{user.username} has no administrator's permissions, so neither has this key.")
        try:
            restrictions = Restrictions(
                moments.moment(options["expires"]) if options["expires"] else None,
                options["endpoint"],
                options["network"],
                options["model"],
            )
            _, secret = keys.mint(user, options["name"], scopes, restrictions, by=audit.by_command())
        except ValueError as error:
            raise CommandError(str(error)) from None
        except InvalidInput as error:
            sentences = [each for field in (error.errors or {}).values() for each in field]
            raise CommandError("\n".join(sentences) or error.detail) from None
        self.stdout.write(secret)


def _user(name: str | None) -> User:
    users = User.objects.filter(is_active=True).order_by("pk")
    user = users.filter(username=name).first() if name else users.filter(is_superuser=True).first()
    if user is None:
        raise CommandError(
            f"There is no active user {name!r}." if name else "There is no administrator yet: start the service once."
        )
    return user
