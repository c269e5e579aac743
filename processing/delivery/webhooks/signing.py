"""Signatures as Standard Webhooks has them, and their secrets, which lie encrypted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Iterable

from modelsregistry import secrets

_MARK = "whsec_"
_BYTES = 32
_PURPOSE = b"processing.delivery.webhooks"


def new_secret() -> str:
    """`whsec_` and the base64 of 32 random bytes."""
    return _MARK + base64.b64encode(random.token_bytes(_BYTES)).decode()


def encrypt(secret: str) -> str:
    """As it may lie in the database."""
    return secrets.encrypt(secret, _PURPOSE)


def decrypt(stored: str) -> str:
    """The secret again. Raises `ModelError` when neither the key nor a fallback made it."""
    return secrets.decrypt(stored, _PURPOSE)


def renewed(stored: str) -> str:
    """The same under the current `SECRET_KEY`; as it was where that is so already. Raises as `decrypt` does."""
    return stored if secrets.is_current(stored, _PURPOSE) else secrets.renew(stored, _PURPOSE)


def signature(with_secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`, one for each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_of(secret, signed)}" for secret in with_secrets)


def _of(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_MARK))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
