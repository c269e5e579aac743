"""Sign-ins through the API: what a token stands for, and when it ends."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from processing.access.models import SignIn

_FIND = f"""
    SELECT s.*, u.password AS user_password
    FROM {SignIn._meta.db_table} s JOIN {User._meta.db_table} u ON u.id = s.user_id
    WHERE s.id = %s AND s.ended_at IS NULL AND u.is_active
"""  # noqa: S608  (table names of our own)


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
    wanted = SignIn._meta.pk.get_db_prep_value(identifier, connection)
    found = next(iter(SignIn.objects.raw(_FIND, [wanted])), None)
    if found is None or found.expires_at <= timezone.now():
        return None
    password = found.user_password  # type: ignore[attr-defined]  # a column that the query adds
    found.user = User.from_db(found._state.db, ["id", "password"], [found.user_id, password])
    return found if constant_time_compare(found.user.get_session_auth_hash(), found.seal) else None


def end(identifier: uuid.UUID) -> bool:
    """Its token opens nothing from the next request on; false where it was over already."""
    return SignIn.objects.filter(pk=identifier, ended_at=None).update(ended_at=timezone.now()) == 1
