"""`manage.py revoke_api_key`: ends a key for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.access import audit, keys
from processing.errors import ProcessingError


class Command(BaseCommand):
    help = "Revoke an API key: from the next request on it opens nothing, in every process."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="its id, its first characters as list_api_keys shows them, or all of it")

    def handle(self, **options: Any) -> None:
        try:
            key = keys.named(options["key"].removesuffix("…"))
        except ProcessingError as error:
            raise CommandError(error.detail) from None
        done = keys.revoke(key.pk, by=audit.by_command())
        self.stderr.write(f"{key.prefix}… of {key.user.get_username()} {'is' if done else 'was already'} revoked.")
