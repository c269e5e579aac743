"""`manage.py migrate_database`: all rows from SQLite to an empty PostgreSQL."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.operations import data_directory, database_move
from processing.operations.backup import acceptance
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.making import Seldom

VARIABLE = "TARGET_DATABASE_URL"


class Command(BaseCommand):
    help = f"Copy all rows from SQLite to the empty PostgreSQL that {VARIABLE} names. The service must not run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to", default="", metavar="URL", help=f"the target, where its password may be seen; else {VARIABLE}"
        )

    def handle(self, **options: Any) -> None:
        url = options["to"] or os.environ.get(VARIABLE, "")
        if not url:
            raise CommandError(f"Say which database is the target: {VARIABLE}=postgres://user:password@host/name")
        try:
            with data_directory.alone(settings.DATA_DIR):
                acceptance.require_quiet()
                moved = database_move.move(url, Seldom(self._tell))
        except (database_move.MoveRefusedError, RestoreRefusedError, data_directory.DataDirectoryInUseError) as error:
            raise CommandError(str(error)) from None
        for table, found in sorted(moved.items()):
            if found.rows:
                self.stdout.write(f"{found.rows:>9}  {table}")
        self.stdout.write("Every row was read again and compared. Set DATABASE_URL to the target, and start.")

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()
