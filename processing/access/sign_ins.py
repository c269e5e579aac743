"""Sign-ins through the API: what a token stands for, and when it ends."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from processing.access.models import SignIn
from processing.access.one_row import OneRow

_going_on = OneRow(
    SignIn,
    f"SELECT {{columns}}, u.password FROM {SignIn._meta.db_table} k"  # noqa: S608  (table names of our own)
    f" JOIN {User._meta.db_table} u ON u.id = k.user_id WHERE k.id = %s AND k.ended_at IS NULL AND u.is_active",
    without=("address", "created_at", "ended_at"),
)


def begin(user: User, expires_at: datetime, address: str) -> SignIn:
    """A user has signed in, from this address. Forgets those of theirs that are over."""
    SignIn.objects.filter(user=user, expires_at__lte=timezone.now()).delete()
    return SignIn.objects.create(
        user=user, expires_at=expires_at, address=address or None, seal=user.get_session_auth_hash()
    )


def find(identifier: uuid.UUID) -> SignIn | None:
    """The sign-in that goes on; None if it was ended or its time is over, if its user is deactivated or has another
    password by now.

    One query at every request of a token, like that of a key; the user is loaded no further.
    """
    found = _going_on.get([SignIn._meta.pk.get_db_prep_value(identifier, connection)])
    if found is None:
        return None
    sign_in, (password,) = found
    if sign_in.expires_at <= timezone.now():
        return None
    sign_in.user = User.from_db(sign_in._state.db, ["id", "password"], [sign_in.user_id, password])
    return sign_in if constant_time_compare(sign_in.user.get_session_auth_hash(), sign_in.seal) else None


def end(identifier: uuid.UUID) -> bool:
    """Its token opens nothing from the next request on; false where it was over already."""
    return SignIn.objects.filter(pk=identifier, ended_at=None).update(ended_at=timezone.now()) == 1
