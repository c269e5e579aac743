"""Whether an archive that is whole may be restored here: by its version, its database, its key, and what is here."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader

from processing.operations.backup import postgresql, sqlite
from processing.operations.backup.errors import RestoreRefusedError
from processing.operations.backup.manifest import Manifest
from processing.queue import host
from processing.queue.models import WorkerHost

_ROOM = 1.1  # of what is unpacked: a disk that is filled to the brim serves nobody
_OTHERS = """
SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'api-v2 %'
AND pid <> pg_backend_pid()
"""
_ROLE = """
SELECT session_user, bool_or(rolsuper) FROM pg_roles WHERE rolname IN (session_user, current_user)
"""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the operator has said yes to: that the data that are here go, that the archive is another key's, that
    documents are missing in the storage, that the archive's SQL runs as a superuser."""

    replace: bool = False
    other_key: bool = False
    missing_files: bool = False
    superuser: bool = False


def require_version(manifest: Manifest) -> None:
    """Raises `RestoreRefusedError` for an archive of a later version, whose data this one would misread."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    newer = sorted(set(manifest.migrations) - known)
    if newer or _version(manifest.service_version) > _version(settings.API_V2_VERSION):
        raise RestoreRefusedError(
            f"The archive was made by version {manifest.service_version}, and this is {settings.API_V2_VERSION}"
            + (f", which does not know {newer[0]}" if newer else "")
            + ". Restore it with the version that made it, or a later one."
        )


def require_vendor(manifest: Manifest) -> None:
    """Raises `RestoreRefusedError` where the database here is of the other kind."""
    if manifest.vendor != connection.vendor:
        raise RestoreRefusedError(
            f"The archive holds a database of {manifest.vendor}, and this service uses {connection.vendor}. "
            "Restore it beside DATABASE_URL of its own kind; `manage.py migrate_database` takes SQLite to PostgreSQL."
        )


def require_key(manifest: Manifest, key_inside: str | None, consent: Consent) -> None:
    """Raises `RestoreRefusedError` unless the key that is here has signed the archive: then nobody has changed it, and
    what it encrypts can be decrypted. A key that comes inside says nothing of who made the archive, here or on an empty
    server: anybody may put one in, and encrypt for a recipient."""
    if key_inside is not None and not manifest.is_signed_by([key_inside]):
        raise RestoreRefusedError("The archive was changed: its signature is not that of its own key.")
    if consent.other_key or manifest.is_signed_by([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]):
        return
    if key_inside is not None and not settings.ENV.secret_key:
        raise RestoreRefusedError(
            "The archive brings another SECRET_KEY than the one that is here, so it was made by another service, or by "
            "this one before it was lost. If you made it, say --accept-other-key: its key takes the place of this one."
        )
    raise RestoreRefusedError(
        "The archive was made with another SECRET_KEY, or it was changed. Set SECRET_KEY to that of the service "
        "that made it. Without it API keys work, but the providers' credentials have to be entered anew and "
        "everybody signs in again; if that is what you want, say --accept-other-key."
    )


def require_plain_role(consent: Consent) -> None:
    """Raises `RestoreRefusedError` where PostgreSQL would run what the archive brings as a superuser, who may start
    programs on its machine."""
    if connection.vendor != "postgresql" or consent.superuser:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ROLE)
            name, is_superuser = cursor.fetchone()
    except Error as error:
        raise RestoreRefusedError(f"The database does not answer: {str(error).splitlines()[0]}") from error
    if is_superuser:
        raise RestoreRefusedError(
            f"The role {name} of DATABASE_URL is a superuser, and an archive's SQL would run with its rights. Restore "
            "as a role that merely owns the database; if you made the archive yourself, you may say --allow-superuser."
        )


def require_room(manifest: Manifest, target: Path) -> None:
    """Raises `RestoreRefusedError` where the unpacked database does not fit beside the present one."""
    if shutil.disk_usage(target).free < manifest.database_bytes * _ROOM:
        raise RestoreRefusedError(
            f"The database takes {manifest.database_bytes // 1024**2} MB beside the present one, "
            f"and {target} has not that much free."
        )


def require_quiet() -> None:
    """Raises `RestoreRefusedError` while another process of a service uses the database, on whichever host."""
    try:
        hosts = list(WorkerHost.objects.filter(host.alive()).values_list("host", flat=True))
    except Error:  # no tables yet
        connection.close()
        hosts = []
    if hosts:
        raise RestoreRefusedError(
            f"Workers run on this database, on {', '.join(hosts)}. Stop the service first; of workers that were "
            f"killed this is said for {host.ALIVE_WITHIN.seconds} seconds more."
        )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_OTHERS)
            if cursor.fetchone()[0]:
                raise RestoreRefusedError("Other processes of API v2 are connected to this database. Stop them first.")


def require_consent(database: Path | None, consent: Consent) -> None:
    """Raises `RestoreRefusedError` where there are data already and nobody has said that they may go. `database` is
    SQLite's file."""
    if not _is_empty(database) and not consent.replace:
        raise RestoreRefusedError(
            "There is a database here already. Make a backup of it if you may want it back, and say --replace."
        )


def _is_empty(database: Path | None) -> bool:
    try:
        return postgresql.is_empty() if database is None else sqlite.is_empty(database)
    except sqlite3.DatabaseError:
        return False


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
