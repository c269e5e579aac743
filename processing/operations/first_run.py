"""Makes a data directory ready to serve from: tables, static files, models, a first administrator and a first key.

Every step looks first whether it has been done, so that the second start takes no time and an interrupted one is taken
up where it broke off.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from modelsregistry import provisioning
from processing.access import keys
from processing.operations import turns
from processing.operations.credentials import Credentials, kept_in

Say = Callable[[str], None]


def prepare(variables: Mapping[str, str], say: Say) -> Credentials | None:
    """Do what is still to be done, telling `say` about each step; returns the credentials if they were made now."""
    _collect_static_files(say)
    with turns.one_at_a_time():  # Several hosts may start on one empty database.
        _migrate(say)
        provisioning.provision(variables)
        return _first_credentials(kept_in(settings.DATA_DIR))


def _migrate(say: Say) -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Preparing the database …")
        call_command("migrate", interactive=False, verbosity=0)


def _collect_static_files(say: Say) -> None:
    """Copy and compress the static files if they differ from those that were copied last."""
    stamp = Path(settings.STATIC_ROOT) / "sources.sha256"
    sources = _fingerprint_of_static_files()
    if not stamp.exists() or stamp.read_text() != sources:
        say("Collecting static files …")
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(sources)


def _fingerprint_of_static_files() -> str:
    found = hashlib.sha256()
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            found.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _first_credentials(path: Path) -> Credentials | None:
    """Make the administrator `admin` with a key, unless there are users; the file is there when the row is.

    The file gets its name after the rows are committed. Broken off in between, it is found under its draft name.
    """
    draft = path.with_suffix(".draft")
    with transaction.atomic():
        if User.objects.exists():
            if draft.exists():
                draft.replace(path)
            return None
        password = secrets.token_urlsafe(15)
        user = User.objects.create_superuser("admin", password=password)
        _, key = keys.mint(user, "first key", [keys.ADMIN_SCOPE])
        credentials = Credentials(user.username, password, key)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(credentials.as_text())
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    return credentials
