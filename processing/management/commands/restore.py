"""`manage.py restore ARCHIVE`: what `backup` wrote becomes what the service has, once all of it was verified."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.operations import data_directory
from processing.operations.backup import restoring
from processing.operations.backup.acceptance import Consent
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.making import Seldom
from processing.operations.backup.manifest import Manifest
from processing.operations.backup.restoring import Source


class Command(BaseCommand):
    help = "Verify an archive and put its data in the place of those that are here. The service must not run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("archive", type=Path)
        parser.add_argument("--identity", type=Path, metavar="FILE", help="the key that decrypts the archive")
        parser.add_argument("--dry-run", action="store_true", help="verify, say what it holds, and change nothing")
        parser.add_argument("--replace", action="store_true", help="the data that are here may go")
        parser.add_argument("--accept-other-key", action="store_true", help="although its SECRET_KEY is not ours")
        parser.add_argument("--allow-missing-files", action="store_true", help="although documents are not there")
        parser.add_argument("--allow-superuser", action="store_true", help="although PostgreSQL's role is a superuser")

    def handle(self, **options: Any) -> None:
        os.umask(0o077)
        source = Source(options["archive"], options["identity"])
        consent = Consent(
            replace=options["replace"],
            other_key=options["accept_other_key"],
            missing_files=options["allow_missing_files"],
            superuser=options["allow_superuser"],
        )
        tell = Seldom(self._tell)
        try:
            if options["dry_run"]:
                self._tell_of(restoring.check(source, consent, tell).manifest)
                self.stdout.write("The archive can be restored. Nothing was changed: this was a dry run.")
                return
            with data_directory.alone(settings.DATA_DIR):
                checked = restoring.check(source, consent, tell)
                restoring.restore(source, checked, consent, tell)
        except (RestoreRefusedError, data_directory.DataDirectoryInUseError) as error:
            raise CommandError(str(error)) from None
        self._tell_of(checked.manifest)
        if checked.manifest.former_keys:
            self._tell("The service had SECRET_KEY_FALLBACKS: set them here as well.")
        self.stdout.write("Restored. Run `manage.py migrate` if you start the parts apart; `serve` does so itself.")

    def _tell_of(self, manifest: Manifest) -> None:
        rows = sum(manifest.rows.values())
        self._tell(
            f"Made {manifest.made_at} by version {manifest.service_version}: {rows} rows, "
            f"{manifest.documents - manifest.missing} documents ({manifest.files})."
        )

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()
