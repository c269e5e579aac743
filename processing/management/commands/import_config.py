"""`manage.py import_config FILE`: takes in what `export_config` printed, all of it or nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.access import audit
from processing.errors import ProcessingError
from processing.operations import configuration
from processing.operations.configuration import Terms


class Command(BaseCommand):
    help = "Make an exported configuration the one in force. A copy of /api/v1/configs serves as well."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file; - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
        parser.add_argument("--reason", default="", help="why, for the history")

    def handle(self, *, file: str, dry_run: bool, reason: str, **_options: Any) -> None:
        try:
            content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            document = configuration.read_file(content)
            changes = configuration.what_taking_in_changes(document)
            if not dry_run:
                changes = configuration.take_in(document, Terms(audit.by_command(), reason)).differences
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from None
        except ProcessingError as error:
            told = [f"  {key}: {sentence}" for key, found in (error.errors or {}).items() for sentence in found]
            raise CommandError("\n".join([error.detail, *told])) from None
        for each in changes:
            self.stdout.write(f"{each.key}: {_shown(each.old)} -> {_shown(each.new)}")
        if not changes:
            self.stdout.write("Nothing changes.")
        elif dry_run:
            self.stdout.write("Nothing was changed: this was a dry run.")


def _shown(value: Any) -> str:
    return "default" if value is None else json.dumps(value)
