"""`manage.py storage check|migrate`: whether a storage works, and moving documents from one to another."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.documents.blobs import Blobs
from processing.errors import ProcessingError
from processing.operations import storage_check
from processing.operations.storage_migration import Journal, Migration, Tally

_PROVIDERS = ("local", "s3", "gcs", "azure")
_MB = 1024 * 1024
_SHOWN = 20  # paths of what is missing or damaged


class Command(BaseCommand):
    help = "Try a storage of documents, or copy all documents from one to another."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        checking = actions.add_parser("check", help="write, read, list and delete in a storage, and tell what fails")
        checking.add_argument("provider", nargs="?", choices=_PROVIDERS, help="without it, the one in use")
        migrating = actions.add_parser("migrate", help="copy what is not there yet, verified; the source is only read")
        migrating.add_argument("--from", dest="source", choices=_PROVIDERS, required=True)
        migrating.add_argument("--to", dest="target", choices=_PROVIDERS, required=True)
        migrating.add_argument("--dry-run", action="store_true", help="tell what there is to copy, and copy nothing")
        migrating.add_argument("--verify-again", action="store_true", help="verify what earlier runs have verified too")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "check":
            self._check(options["provider"] or settings.ENV.storage_provider)
        else:
            self._migrate(options)

    def _check(self, provider: str) -> None:
        for step in storage_check.check(_blobs(provider), links=settings.API_V2_STORAGE_REDIRECTS):
            if step.fault:
                raise CommandError(f"{provider}: {step.name}: {step.fault}")
            self.stdout.write(f"{provider}: {step.name}: well")

    def _migrate(self, options: dict[str, Any]) -> None:
        source, target = options["source"], options["target"]
        if source == target:
            raise CommandError("Both storages are the same.")
        file = Path(settings.DATA_DIR) / f"migrated-{source}-to-{target}.txt"
        if options["verify_again"] and not options["dry_run"]:
            file.unlink(missing_ok=True)
        migration = Migration(_blobs(source), _blobs(target), Journal(file), _Progress())
        try:
            tally = migration.dry_run() if options["dry_run"] else migration.run()
        except ProcessingError as error:
            cause = storage_check.told(error)
            raise CommandError(f"{error.detail} ({cause}) What was copied is kept: say the same to go on.") from error
        self._tell(tally, target)

    def _tell(self, tally: Tally, target: str) -> None:
        if tally.to_copy:
            self.stdout.write(f"To copy: {tally.to_copy} documents, {tally.to_copy_bytes / _MB:.1f} MB.")
        self.stdout.write(f"Copied and verified: {tally.copied} documents, {tally.copied_bytes / _MB:.1f} MB.")
        self.stdout.write(f"There already: {tally.there_already}.")
        for what, paths in (("missing", tally.missing), ("damaged", tally.damaged)):
            for path in paths[:_SHOWN]:
                self.stderr.write(f"{what}: {path}")
        lacking = len(tally.missing) + len(tally.damaged)
        if lacking:
            raise CommandError(f"{lacking} documents are missing or damaged in the source; all others are done.")
        if not tally.to_copy:
            self.stdout.write(f"All {tally.done} documents are in {target}.")


def _blobs(provider: str) -> Blobs:
    try:
        return Blobs(storages[provider])
    except InvalidStorageError:
        raise CommandError(f"The variables of {provider} are not set: see docs/operations/storage.md.") from None
    except (ImproperlyConfigured, ImportError):
        raise CommandError(
            f"The client of {provider} is missing: "
            f".venv/bin/pip install --require-hashes -r requirements/{provider}.txt"
        ) from None


class _Progress:
    """Tells on standard error how far it has come, once a second at most."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, tally: Tally, of: int) -> None:
        if time.monotonic() - self._told >= 1.0:
            self._told = time.monotonic()
            sys.stderr.write(f"{tally.done} of {of} documents, {tally.copied_bytes // _MB} MB copied\n")
