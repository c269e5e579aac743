"""Making API keys and recognising them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from processing.access.models import ApiKey

ADMIN_SCOPE = "admin"
MARK = "sk-"
_SHOWN_CHARACTERS = 8  # of the key, its mark included: enough to tell keys apart, not to guess one
_USE_NOTED_EVERY = timedelta(minutes=1)  # a read that is polled once a second must not become a write a second


def mint(user: User, name: str, scopes: Sequence[str] = ()) -> tuple[ApiKey, str]:
    """A new key of `user` and its secret, which is kept nowhere: `sk-` and 43 url-safe characters (256 random bits)."""
    secret = MARK + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user, name=name, prefix=secret[:_SHOWN_CHARACTERS], digest=_digest(secret), scopes=list(scopes)
    )
    return key, secret


def find(secret: str) -> ApiKey | None:
    """The valid key with this secret, its user loaded; None if there is none, or it is revoked, expired or its user
    is deactivated. Notes the use, to the minute."""
    if not secret.startswith(MARK):
        return None
    now = timezone.now()
    key = (
        ApiKey.objects.select_related("user")
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True, user__is_active=True)
        .filter(digest=_digest(secret))
        .first()
    )
    if key is not None and (key.last_used_at is None or key.last_used_at < now - _USE_NOTED_EVERY):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
