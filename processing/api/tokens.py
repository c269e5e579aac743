"""Tokens (JWT): how a sign-in is written down for the client, and read back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.utils import datetime_from_epoch

from processing.access import sign_ins
from processing.access.models import SignIn


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and when it ends by itself."""

    token: str
    expires_at: datetime


def issue(user: User, address: str) -> Issued:
    """A token for a user who has just shown a password, from this address."""
    token = AccessToken.for_user(user)
    expires_at = datetime_from_epoch(token["exp"])
    token["jti"] = sign_ins.begin(user, expires_at, address).pk.hex
    return Issued(str(token), expires_at)


def read(text: str) -> SignIn | None:
    """The sign-in that a token stands for; None for any other text, and where it is over."""
    try:
        identifier = uuid.UUID(AccessToken(text)["jti"])  # type: ignore[arg-type]  # annotated as if it took a token
    except (TokenError, ValueError):
        return None
    return sign_ins.find(identifier)
