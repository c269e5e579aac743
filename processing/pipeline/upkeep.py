"""How kept readings and answers go: with their document, when their time is over, and when they are too many."""

from __future__ import annotations

import logging

from django.db.models import Q, Sum
from django.db.models.functions import Length, Now

from processing.pipeline.models import CachedResult

logger = logging.getLogger(__name__)
_AT_ONCE = 500  # rows deleted in one statement


def forget(owner_id: int, document_sha256: str) -> int:
    """Delete all that was made from these bytes for this owner; what is being made of them now will not be kept."""
    return CachedResult.objects.filter(owner_id=owner_id, document_sha256=document_sha256).delete()[0]


def forget_all(owner_id: int) -> int:
    """Delete all that was made for this owner; what is being made now will not be kept."""
    return CachedResult.objects.filter(owner_id=owner_id).delete()[0]


def delete_expired() -> int:
    """Delete what is out of date and that nobody is at work on. Returns how many, at most some hundreds."""
    idle = Q(computing_until__isnull=True) | Q(computing_until__lt=Now())
    expired = CachedResult.objects.filter(idle, expires_at__lt=Now()).order_by("expires_at")
    return _delete(list(expired.values_list("pk", flat=True)[:_AT_ONCE]))


def shrink(most_bytes: int) -> int:
    """Delete the oldest while the content of all is more than `most_bytes`. Returns how many, at most some hundreds."""
    kept = CachedResult.objects.filter(content__isnull=False).annotate(bytes=Length("content"))
    excess = (kept.aggregate(total=Sum("bytes"))["total"] or 0) - most_bytes
    if excess <= 0:
        return 0
    doomed: list[int] = []
    for pk, size in kept.order_by("created_at").values_list("pk", "bytes")[:_AT_ONCE]:
        if excess <= 0:
            break
        doomed.append(pk)
        excess -= size
    return _delete(doomed)


def _delete(keys: list[int]) -> int:
    return CachedResult.objects.filter(pk__in=keys).delete()[0] if keys else 0
