"""Making API keys and recognising them."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import Error, connection, transaction
from django.utils import timezone

from processing.access.models import ApiKey

ADMIN_SCOPE = "admin"
MARK = "sk-"
_SHOWN_CHARACTERS = 8  # of the key, its mark included: enough to tell keys apart, not to guess one
_USE_NOTED_EVERY = timedelta(minutes=1)  # a read that is polled once a second must not become a write a second

_NOTE_WITHIN_MS = 200  # that noting it may hold a request up

logger = logging.getLogger(__name__)
_tried: dict[str, datetime] = {}  # when this process last tried to note the use of a key, by its digest

_FIND = f"""
    SELECT k.* FROM {ApiKey._meta.db_table} k JOIN {User._meta.db_table} u ON u.id = k.user_id
    WHERE k.digest = %s AND k.revoked_at IS NULL AND u.is_active
"""  # noqa: S608  (table names of our own)


def mint(user: User, name: str, scopes: Sequence[str] = ()) -> tuple[ApiKey, str]:
    """A new key of `user` and its secret, which is kept nowhere: `sk-` and 43 url-safe characters (256 random bits)."""
    secret = MARK + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user, name=name, prefix=secret[:_SHOWN_CHARACTERS], digest=_digest(secret), scopes=list(scopes)
    )
    return key, secret


def find(secret: str) -> ApiKey | None:
    """The valid key with this secret; None if there is none, or it is revoked, expired or its user is deactivated.

    Notes the use, to the minute. Every request asks this, so it is one plain query (a fifth of the time that building
    it anew takes), and the key's user is loaded no further than its id until somebody looks.
    """
    if not secret.startswith(MARK):
        return None
    key = next(iter(ApiKey.objects.raw(_FIND, [_digest(secret)])), None)
    now = timezone.now()
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        return None
    key.user = User.from_db(key._state.db, ["id"], [key.user_id])
    if key.last_used_at is None or key.last_used_at < now - _USE_NOTED_EVERY:
        _note_use(key, now)
    return key


def _note_use(key: ApiKey, now: datetime) -> None:
    """Try it, at most once a minute; a database that is busy, full or away may fail the note and never the request."""
    tried = _tried.get(key.digest)
    if tried is not None and tried > now - _USE_NOTED_EVERY:
        return
    _tried[key.digest] = now
    try:
        with _hurried(), transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    except Error:
        logger.warning("use of a key could not be noted", extra={"key": key.pk}, exc_info=True)


@contextmanager
def _hurried() -> Iterator[None]:
    """Wait for a lock of SQLite's as long as nobody notices, and not as long as for what matters."""
    if connection.vendor != "sqlite":
        yield
        return
    usual = connection.settings_dict["OPTIONS"].get("timeout", 5.0)
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {_NOTE_WITHIN_MS}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {round(usual * 1000)}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
