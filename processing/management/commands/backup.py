"""`manage.py backup DIRECTORY`: one archive of all that the service keeps, while it serves; its path on stdout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.operations import data_directory
from processing.operations.backup import making, sealing
from processing.operations.backup.errors import BackupFailedError
from processing.operations.backup.making import Made, Seldom, Terms


class Command(BaseCommand):
    help = "Write database, configuration and documents into one archive. The service may go on meanwhile."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", nargs="?", type=Path, help="where the archives lie, and nothing else")
        parser.add_argument(
            "--files",
            choices=("copy", "reference"),
            default="copy",
            help="copy the documents into the archive, or list them alone, where their storage has a backup of its own",
        )
        parser.add_argument(
            "--recipient", action="append", default=[], metavar="age1…", help="encrypt for this key; may be repeated"
        )
        parser.add_argument(
            "--include-secret-key", action="store_true", help="put SECRET_KEY into an archive that is not encrypted"
        )
        parser.add_argument("--keep", type=int, default=0, metavar="N", help="delete all but the N newest archives")
        parser.add_argument(
            "--make-identity", type=Path, metavar="FILE", help="make a key to decrypt with, and print its recipient"
        )

    def handle(self, **options: Any) -> None:
        os.umask(0o077)
        try:
            if options["make_identity"]:
                self.stdout.write(sealing.make_identity(options["make_identity"]))
                return
            if options["directory"] is None or options["keep"] < 0:
                raise CommandError("Say in which directory the archives lie, and how many to keep: a number from 0 up.")
            terms = Terms(options["files"], options["recipient"], options["include_secret_key"], options["keep"])
            with data_directory.used(settings.DATA_DIR):
                made = making.make(options["directory"], terms, Seldom(self._tell))
        except (BackupFailedError, data_directory.DataDirectoryInUseError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
        self._tell_of(made)
        self.stdout.write(str(made.archive))

    def _tell_of(self, made: Made) -> None:
        manifest = made.manifest
        kept = "copied" if manifest.files == "copy" else "listed, not copied"
        rows = sum(manifest.rows.values())
        self._tell(f"{rows} rows; {manifest.documents} documents {kept}; {made.archive.stat().st_size} bytes.")
        if manifest.missing or manifest.damaged:
            self._tell(f"Of the documents {manifest.missing} are not in the storage, {manifest.damaged} are damaged.")
        if not manifest.has_secret_key:
            self._tell(
                "SECRET_KEY is NOT in the archive: keep it apart. Without it the providers' credentials have to be "
                "entered anew after a restore. --recipient encrypts the archive and takes the key in."
            )
        if manifest.former_keys:
            self._tell("SECRET_KEY_FALLBACKS is in no archive: keep it apart, or renew what was encrypted with it.")
        for path in made.deleted:
            self._tell(f"Deleted {path}")

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()
