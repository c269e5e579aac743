"""Making API keys, recognising them, and ending them."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import Error, connection, transaction
from django.db.models import Q
from django.utils import timezone

from modelsregistry.models import RegisteredModel
from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import ApiKey
from processing.access.one_row import OneRow
from processing.access.restrictions import Restrictions
from processing.errors import InvalidInput, NotFound

ADMIN_SCOPE = "admin"
SCOPES = (ADMIN_SCOPE,)
MARK = "sk-"
OVERLAP = timedelta(hours=24)  # that a secret works on after another has taken its place, unless it is said otherwise
MAX_OVERLAP = timedelta(days=30)
NO_RESTRICTIONS = Restrictions()
_SHOWN_CHARACTERS = 8  # of the key, its mark included: enough to tell keys apart, not to guess one
_USE_NOTED_EVERY = timedelta(minutes=1)  # a read that is polled once a second must not become a write a second

_NOTE_WITHIN_MS = 200  # that noting it may hold a request up

logger = logging.getLogger(__name__)
_tried: dict[str, datetime] = {}  # when this process last tried to note the use of a key, by its digest

_valid = OneRow(
    ApiKey,
    f"SELECT {{columns}} FROM {ApiKey._meta.db_table} k JOIN {User._meta.db_table} u ON u.id = k.user_id"  # noqa: S608
    " WHERE (k.digest = %s OR k.previous_digest = %s) AND k.revoked_at IS NULL AND u.is_active",
    without=("name", "created_at", "revoked_at", "previous_digest", "previous_prefix"),
)


def mint(
    user: User,
    name: str,
    scopes: Sequence[str] = (),
    restrictions: Restrictions = NO_RESTRICTIONS,
    *,
    by: Actor = audit.SERVICE,
) -> tuple[ApiKey, str]:
    """A new key of `user` and its secret, which is kept nowhere: `sk-` and 43 url-safe characters (256 random bits).

    Raises `InvalidInput` for restrictions that make no sense.
    """
    limits = restrictions.checked() if restrictions != NO_RESTRICTIONS else restrictions
    secret = _new_secret()
    with transaction.atomic():
        key = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=secret[:_SHOWN_CHARACTERS],
            digest=_digest(secret),
            scopes=list(scopes),
            allowed_endpoints=list(limits.endpoints),
            allowed_networks=list(limits.networks),
            expires_at=limits.expires_at,
        )
        if limits.models:
            key.allowed_models.set(RegisteredModel.objects.filter(public_id__in=limits.models))
        changes = {
            "user": user.get_username(),
            "scopes": key.scopes,
            "expires_at": key.expires_at,
            "allowed_endpoints": key.allowed_endpoints,
            "allowed_networks": key.allowed_networks,
            "allowed_models": list(limits.models),
        }
        audit.record(by, "created", target(key), {name: value for name, value in changes.items() if value})
    return key, secret


def rotate(key: ApiKey, overlap: timedelta = OVERLAP, *, by: Actor) -> str:
    """A new secret for the same key, which keeps its rights, its limits and its tasks. The secret until now works on
    for the overlap; one that was already replaced ends at once. Raises `InvalidInput` for a key that has ended."""
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        sentence = f"A secret that is replaced works on for {MAX_OVERLAP.days} days at most."
        raise InvalidInput(sentence, "invalid_overlap", errors={"overlap": [sentence]})
    secret, now = _new_secret(), timezone.now()
    with transaction.atomic():
        # Locked, so that of two rotations at once the second replaces what the first has made.
        held = ApiKey.objects.select_for_update().get(pk=key.pk)
        if held.revoked_at is not None or (held.expires_at is not None and held.expires_at <= now):
            raise InvalidInput("This key is revoked or expired: make another.", "key_ended")
        key.previous_prefix, key.previous_digest = (held.prefix, held.digest) if overlap else ("", None)
        key.previous_until = now + overlap if overlap else None
        key.prefix, key.digest = secret[:_SHOWN_CHARACTERS], _digest(secret)
        key.save(update_fields=["prefix", "digest", "previous_prefix", "previous_digest", "previous_until"])
        changes = {"prefix": [held.prefix, key.prefix], "previous_until": key.previous_until}
        audit.record(by, "rotated", target(key), changes)
    return secret


def revoke(key_id: int, *, by: Actor, reason: str = "") -> bool:
    """From the next request on the key opens nothing, in every process; false where it was revoked before. There is no
    way back."""
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=timezone.now()):
            return False
        audit.record(by, "revoked", target(ApiKey.objects.get(pk=key_id)), {"reason": reason} if reason else None)
    return True


def named(text: str) -> ApiKey:
    """The key that is meant by its id, its first characters, those of the secret before, or a whole secret. Raises
    `NotFound`, and `InvalidInput` where the first characters are those of several."""
    shown = text[:_SHOWN_CHARACTERS]
    if text.isascii() and text.isdigit():
        wanted = Q(pk=int(text[:18]))
    elif len(text) > _SHOWN_CHARACTERS:
        wanted = Q(digest=_digest(text)) | Q(previous_digest=_digest(text))
    else:
        wanted = Q(prefix=shown) | Q(previous_prefix=shown)
    found = list(ApiKey.objects.filter(wanted).select_related("user")[:10]) if text else []
    if not found:
        raise NotFound(f"There is no API key {shown!r}.", "key_not_found")
    if len(found) > 1:
        choices = ", ".join(str(key.pk) for key in found)
        raise InvalidInput(f"Several keys begin with {shown!r}: name one by its id ({choices}).", "ambiguous_key")
    return found[0]


def target(key: ApiKey) -> Target:
    """How the audit trail names a key."""
    return Target("key", str(key.pk), str(key))


def find(secret: str) -> ApiKey | None:
    """The valid key with this secret; None if there is none, or it is revoked, expired or its user is deactivated, or
    the secret was replaced by another and its time is over.

    Notes the use, to the minute. Every request asks this, so it is one query that is written once, and the key's user
    is loaded no further than its id until somebody looks.
    """
    if not secret.startswith(MARK):
        return None
    digest = _digest(secret)
    found = _valid.get([digest, digest])
    if found is None:
        return None
    key, now = found[0], timezone.now()
    if key.expires_at is not None and key.expires_at <= now:
        return None
    if key.digest != digest and (key.previous_until is None or key.previous_until <= now):
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


def _new_secret() -> str:
    return MARK + secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
