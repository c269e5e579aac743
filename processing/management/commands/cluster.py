"""`manage.py cluster`: the workers of this host."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from processing.delivery.webhooks import deliverer
from processing.operations import data_directory, lifeline, listening, sqlite_version
from processing.queue import host, supervisor


class Command(BaseCommand):
    help = "Run the workers that process documents, and deliver webhooks, until SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:
        lifeline.end_with_server()
        sqlite_version.warn()
        try:
            with data_directory.used(settings.DATA_DIR):
                code = supervisor.run(deliverer.run)
        except (host.NameTakenError, data_directory.DataDirectoryInUseError) as error:
            raise CommandError(str(error), returncode=listening.EXIT_CONFIGURATION) from None
        raise SystemExit(code)
