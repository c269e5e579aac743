"""Secrets at rest: encrypted by keys derived from `SECRET_KEY`, and from `SECRET_KEY_FALLBACKS` while it rotates."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from modelsregistry.errors import ModelMisconfigured

# Names a use of SECRET_KEY, so that no other use of it yields the same key. Changing it loses every stored secret.
_PROVIDERS = b"modelsregistry.Provider.secret"


def encrypt(secret: str, purpose: bytes = _PROVIDERS) -> str:
    """The secret as it may lie in the database; the empty one stays empty."""
    return _cipher(purpose).encrypt(secret.encode()).decode() if secret else ""


def decrypt(stored: str, purpose: bytes = _PROVIDERS) -> str:
    """The secret again. Raises `ModelMisconfigured` when neither the key nor a fallback made it."""
    if not stored:
        return ""
    try:
        return _cipher(purpose).decrypt(stored).decode()
    except (InvalidToken, ValueError) as error:
        raise ModelMisconfigured(
            "The stored secret of this model's provider cannot be read any more. An administrator has to enter it "
            "again, or to put the former SECRET_KEY into SECRET_KEY_FALLBACKS.",
            "secret_unreadable",
        ) from error


def renew(stored: str, purpose: bytes = _PROVIDERS) -> str:
    """The same secret under the current key, after which its former key can go. Raises as `decrypt` does."""
    return encrypt(decrypt(stored, purpose), purpose)


def is_current(stored: str, purpose: bytes = _PROVIDERS) -> bool:
    """Whether the current key alone reads it."""
    if not stored:
        return True
    try:
        _fernet(settings.SECRET_KEY, purpose).decrypt(stored)
    except (InvalidToken, ValueError):
        return False
    return True


def _cipher(purpose: bytes) -> MultiFernet:
    return MultiFernet([_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=16)
def _fernet(key: str, purpose: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
