"""`manage.py rotate_api_key`: the new secret on stdout and nothing else, for scripts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.access import audit, keys, moments
from processing.errors import ProcessingError


class Command(BaseCommand):
    help = "Give an API key a new secret and print it. It is shown once; the key keeps its rights and limits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="its id, its first characters as list_api_keys shows them, or all of it")
        parser.add_argument(
            "--overlap", default="24h", help="how long the old secret works on: 24h, 30m; 0s: not at all"
        )

    def handle(self, **options: Any) -> None:
        try:
            key = keys.named(options["key"].removesuffix("…"))
            secret = keys.rotate(key, moments.duration(options["overlap"]), by=audit.by_command())
        except ValueError as error:
            raise CommandError(str(error)) from None
        except ProcessingError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(secret)
