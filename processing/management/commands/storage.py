"""`manage.py storage check|migrate`: whether a storage works, and moving documents from one to another."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser
from dotenv import dotenv_values

from processing.documents.blobs import Blobs
from processing.errors import ProcessingError
from processing.operations import storage_check
from processing.operations.storage_migration import Journal, Migration, Tally

_PROVIDERS = ("local", "s3", "gcs", "azure")
_MB = 1024 * 1024
_SHOWN = 20  # paths of what is missing or damaged
_OF_A_PLACE = ("endpoint_url", "account_url", "bucket_name", "azure_container", "location")

Entry = dict[str, Any]  # as in Django's STORAGES


class Command(BaseCommand):
    help = "Try a storage of documents, or copy all documents from one to another."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        checking = actions.add_parser("check", help="write, read, list and delete in a storage, and tell what fails")
        checking.add_argument("provider", nargs="?", choices=_PROVIDERS, help="without it, the one in use")
        checking.add_argument("--env", type=Path, help="a file like .env that has this storage's variables")
        migrating = actions.add_parser("migrate", help="copy what is not there yet, verified; the source is only read")
        migrating.add_argument("--from", dest="source", choices=_PROVIDERS, required=True)
        migrating.add_argument("--to", dest="target", choices=_PROVIDERS, required=True)
        migrating.add_argument("--to-env", type=Path, help="a file like .env that has the target's variables")
        migrating.add_argument("--dry-run", action="store_true", help="tell what there is to copy, and copy nothing")
        migrating.add_argument("--verify-again", action="store_true", help="verify what earlier runs have verified too")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "check":
            self._check(options["provider"] or settings.ENV.storage_provider, options["env"])
        else:
            self._migrate(options)

    def _check(self, provider: str, env: Path | None) -> None:
        for step in storage_check.check(
            _blobs(_entry(provider, env), provider), links=settings.API_V2_STORAGE_REDIRECTS
        ):
            if step.fault:
                raise CommandError(f"{provider}: {step.name}: {step.fault}")
            self.stdout.write(f"{provider}: {step.name}: well")

    def _migrate(self, options: dict[str, Any]) -> None:
        source, target = options["source"], options["target"]
        origin, goal = _entry(source), _entry(target, options["to_env"])
        if _place(origin) == _place(goal):
            raise CommandError("Both storages are the same.")
        mark = f"-{_mark(goal)}" if options["to_env"] else ""
        file = Path(settings.DATA_DIR) / f"migrated-{source}-to-{target}{mark}.txt"
        if options["verify_again"] and not options["dry_run"]:
            file.unlink(missing_ok=True)
        migration = Migration(_blobs(origin, source), _blobs(goal, target), Journal(file), _Progress())
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


def _entry(provider: str, file: Path | None = None) -> Entry:
    """The service's own storage of this kind, or the one whose variables are in the file."""
    if file is None:
        try:
            return settings.STORAGES[provider]
        except KeyError:
            raise CommandError(f"The variables of {provider} are not set: see docs/operations/storage.md.") from None
    if provider == "local":
        raise CommandError("A directory is copied with cp or rsync.")
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    variables = {name: value for name, value in dotenv_values(file, interpolate=False).items() if value is not None}
    entry: Entry = settings.API_V2_STORAGE_ELSEWHERE(variables, provider)
    return entry


def _place(entry: Entry) -> tuple[str, ...]:
    """Where a storage is, whatever opens it."""
    options = entry["OPTIONS"]
    return (entry["BACKEND"], *(str(options[name]) for name in _OF_A_PLACE if options.get(name)))


def _mark(entry: Entry) -> str:
    """Tells one place from another: what was verified in one is not in another."""
    return hashlib.sha256(repr(_place(entry)).encode()).hexdigest()[:12]


def _blobs(entry: Entry, provider: str) -> Blobs:
    try:
        return Blobs(storages.create_storage(entry))
    except (ImproperlyConfigured, ImportError, InvalidStorageError):
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
