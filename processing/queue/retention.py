"""How long tasks, documents and what was made of them are kept; a bounded number of those past it go at a time."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from processing.documents import store
from processing.documents.models import StoredDocument
from processing.pipeline import upkeep
from processing.runtime.parameters import BYTES_PER_MB, Parameters
from processing.tasks.models import FINAL, Batch, Task

_TASKS_AT_ONCE = 500  # rows deleted in one statement
_DOCUMENTS_AT_ONCE = 100


def delete_old_tasks(parameters: Parameters) -> int:
    """Delete tasks that ended longer ago than results are kept. Returns how many, at most some hundreds."""
    if parameters.results_kept_for is None:
        return 0
    deleted = 0
    for status in FINAL:  # One at a time, in the order of the index.
        old = Task.objects.filter(status=status, completed_at__lt=_ago(parameters.results_kept_for))
        seqs = list(old.order_by("completed_at").values_list("seq", flat=True)[:_TASKS_AT_ONCE])
        # What is deleted with them makes Django read the rows: their keys, and not a hundred answers.
        going = Task.objects.filter(seq__in=seqs, status=status).only("seq")
        deleted += going.delete()[1].get(Task._meta.label, 0) if seqs else 0
    return deleted


def delete_old_batches(parameters: Parameters) -> int:
    """Delete batches that ended longer ago than results are kept, once none of their tasks is left."""
    if parameters.results_kept_for is None:
        return 0
    old = Batch.objects.filter(completed_at__lt=_ago(parameters.results_kept_for), tasks=None)
    found = list(old.order_by("completed_at").values_list("pk", flat=True)[:_TASKS_AT_ONCE])
    return Batch.objects.filter(pk__in=found).delete()[0] if found else 0


def erase_expired_documents(parameters: Parameters) -> int:
    """Erase documents whose time is over and that no task is still to read. Returns how many, at most a hundred.

    Those from a time when documents were kept for ever count from the day they came.
    """
    if parameters.files_kept_for is None:
        return 0
    timeless = Q(expires_at__isnull=True, created_at__lt=_ago(parameters.files_kept_for))
    expired = StoredDocument.objects.filter(Q(expires_at__lt=Now()) | timeless)
    idle = expired.exclude(tasks__in=Task.objects.exclude(status__in=FINAL))
    return sum(erase_if_idle(pk) for pk in idle.order_by().values_list("pk", flat=True)[:_DOCUMENTS_AT_ONCE])


def erase_if_idle(document_id: uuid.UUID) -> bool:
    """Erase a document unless a task is still to read it; False if so.

    A submission locks the document's row too: it comes before, and is seen here, or after, and finds no document.
    """
    with transaction.atomic():
        document = StoredDocument.objects.select_for_update().filter(pk=document_id).first()
        if document is None or document.tasks.exclude(status__in=FINAL).exists():
            return False
        store.erase(document)
        upkeep.forget(document.owner_id, document.sha256)
    return True


def delete_cached(parameters: Parameters) -> int:
    """Delete stored readings and answers that are out of date, and the oldest where they take too much room. Returns
    how many, at most some hundreds of each."""
    return upkeep.delete_expired() + upkeep.shrink(parameters.cache_max_mb * BYTES_PER_MB)


def _ago(span: timedelta) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Now() - span, output_field=DateTimeField())
