"""Making API keys and recognising them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from processing.access.models import ApiKey

ADMIN_SCOPE = "admin"
MARK = "sk-"
_SHOWN_CHARACTERS = 8  # of the key, its mark included: enough to tell keys apart, not to guess one
_USE_NOTED_EVERY = timedelta(minutes=1)  # a read that is polled once a second must not become a write a second

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
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
