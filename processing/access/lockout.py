"""Who may try a password: django-axes counts the failures of a name from an address, and this is what it counts by."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any

from axes.backends import AxesBackend
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db.models import Max, Q
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from processing.access import audit
from processing.access.audit import Actor, Target

NAME_LENGTH = 255  # that django-axes keeps

logger = logging.getLogger(__name__)


class LockingBackend(AxesBackend):  # type: ignore[misc]  # untyped
    """Django's users, passwords and permissions; a user may be named by their e-mail address; whoever is locked out is
    refused, even with the right password."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """The user; None for a wrong password. Raises `PermissionDenied` while the lock holds.

        It is asked again after the password was checked: of many guesses at once none is worth more than in a row.
        """
        if request is None or username is None:  # a command, or a form that names nobody
            return ModelBackend.authenticate(self, request, username=username, password=password, **kwargs)
        super().authenticate(request, username=username, password=password, **kwargs)
        user = ModelBackend.authenticate(self, request, username=username_of(username), password=password, **kwargs)
        if user is not None:
            super().authenticate(request, username=username, password=password, **kwargs)
        return user


def username_of(text: str) -> str:
    """The user name of whom a text names, by that or by an e-mail address that is one user's alone; else the text."""
    found = dict(User.objects.filter(Q(username=text) | Q(email__iexact=text)).values_list("username", "email")[:10])
    if text in found or "@" not in text:
        return text
    # A database may take letters for the same that are not: a dotless i, say.
    same = [name for name, email in found.items() if _folded(email) == _folded(text)]
    return same[0] if len(same) == 1 else text


def lock_name(_request: HttpRequest | None, credentials: Mapping[str, Any] | None) -> str:
    """By what failures are counted: the name as it was typed, in whatever case.

    Not the user's own, whichever way they are named: that a lock by their name is one by their address, too, would tell
    a stranger that they exist.
    """
    return _folded(str((credentials or {}).get("username") or "")).replace("\0", "")[:NAME_LENGTH]


def seconds_left(name: str, address: str) -> int:
    """Until the lock of a name, as `lock_name` gives it, from an address ends: at least 1."""
    attempts = AccessAttempt.objects.filter(username=name, ip_address=address or None)
    last = attempts.aggregate(last=Max("attempt_time"))["last"]
    left = settings.AXES_COOLOFF_TIME if last is None else last + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, ceil(left / timedelta(seconds=1)))


def told(seconds: int) -> str:
    """What a person is told who is locked out for so long."""
    minutes = ceil(seconds / 60)
    return f"Too many failed attempts to sign in. Try again in {minutes} minute{'s' if minutes > 1 else ''}."


def forget(name: str, address: str) -> None:
    """They have signed in: earlier failures count no more."""
    AccessAttempt.objects.filter(username=lock_name(None, {"username": name}), ip_address=address or None).delete()


@receiver(user_locked_out)
def note(request: HttpRequest, username: str, ip_address: str | None, **_: Any) -> None:
    """Say so, once for each lock and not at each refusal; in the audit trail only of names that are users', or
    strangers could fill it with what they think of."""
    if request.axes_failures_since_start is None:  # type: ignore[attr-defined]  # refused because it was locked already
        return
    logger.warning("sign-in locked out", extra={"address": ip_address})
    user = User.objects.filter(username__iexact=username_of(username)).first()
    if user is None:
        return
    actor = Actor(
        "api" if request.path.startswith("/api/") else "admin",
        request_id=str(request.META.get("api_v2.request_id", "")),
    )
    changes = {"address": ip_address, "seconds": settings.AXES_COOLOFF_TIME.total_seconds()}
    audit.record(actor, "locked_out", Target("user", str(user.pk), user.get_username()), changes)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
