"""Erasing for good: a task, a document, or all that is one owner's, with every copy that the service made of it.

The row, the document's bytes, its readings and the answers that were kept of it go together. What still works on them
cannot bring them back: a worker writes under the fencing token of its claim, and keeps nothing of a document that is
gone (`pipeline.cache`). The audit tells that something was erased, and by whom, not what it was.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections import Counter

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import Error, connection, transaction

from processing.access import audit
from processing.access.audit import Actor, Target
from processing.access.models import IdempotencyKey
from processing.delivery import batches
from processing.delivery.webhooks import messages
from processing.documents import disposal, store
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput, NotFound, StorageUnavailable
from processing.pipeline import upkeep
from processing.tasks import lifecycle, losses
from processing.tasks.journal import keeping
from processing.tasks.models import FINAL, Batch, Status, Task

logger = logging.getLogger(__name__)

_AT_ONCE = 100  # rows erased in one transaction
_ROUNDS = 100_000  # of an owner who goes on sending while they are erased
_WAL_WITHIN_MS = 200  # that emptying SQLite's log may hold a request up


def erase_task(owner_id: int, task_id: uuid.UUID, by: Actor) -> None:
    """Erase the owner's task and its document; one that has not ended is cancelled first.

    The document goes whatever else was asked of it: tasks that wait for it end with `document_gone`, those that have
    ended keep their own answers. Raises `NotFound`, for a stranger's task too.
    """
    own = Task.objects.filter(owner_id=owner_id, id=task_id)
    with transaction.atomic():
        # Always the document before its tasks, as whoever else locks both.
        document_id = own.values_list("document_id", flat=True).first()
        document = _locked(owner_id, document_id)
        task = own.select_for_update().only("seq", "status").first()
        if task is None:
            raise NotFound("There is no such task.", "task_not_found")
        if task.status not in FINAL:
            lifecycle.cancel(owner_id, task_id, by)
        keeping.erase([task.seq])
        own.only("seq").delete()
        if document is not None:
            _erase(document)
        audit.record(by, "erased", lifecycle.target(task_id, owner_id), {"document": document_id and str(document_id)})
        transaction.on_commit(_empty_the_log)


def erase_document(owner_id: int, document_id: uuid.UUID, by: Actor) -> None:
    """Erase the owner's document and what was kept of it. Tasks that wait for it end with `document_gone`; one that
    runs ends with its answer, if it has read the document already. Raises `NotFound`, for a stranger's too."""
    with transaction.atomic():
        document = _locked(owner_id, document_id)
        if document is None:
            raise NotFound("There is no such file.", "file_not_found")
        _erase(document)
        audit.record(by, "erased", Target("document", str(document_id), f"of user {owner_id}"))
        transaction.on_commit(_empty_the_log)


def erase_batch(owner_id: int, batch_id: uuid.UUID, by: Actor) -> None:
    """Erase the owner's batch with its tasks and their documents, as `erase_task` does each; what has not ended is
    cancelled first. In many transactions, as `erase_owner`. Raises `NotFound`, for a stranger's too."""
    batch = batches.find(owner_id, batch_id)
    lifecycle.cancel_batch(batch.pk)
    for _ in range(_ROUNDS):
        with transaction.atomic():
            tasks = Task.objects.filter(batch=batch).order_by("seq")
            rows = list(tasks.values_list("seq", "document_id")[:_AT_ONCE])
            documents = StoredDocument.objects.select_for_update().filter(pk__in={row[1] for row in rows if row[1]})
            for document in list(documents.order_by("pk")):
                _erase(document)
            seqs = [seq for seq, _document in rows]
            keeping.erase(seqs)
            Task.objects.filter(seq__in=seqs).only("seq").delete()
        if len(rows) < _AT_ONCE:
            break
    with transaction.atomic():
        Batch.objects.filter(pk=batch.pk).delete()
        messages.forget(batch.id)
        audit.record(by, "erased", batches.target(batch), {"items": batch.total})
        transaction.on_commit(_empty_the_log)


def erase_owner(user: User, by: Actor, *, keep_user: bool = False) -> dict[str, int]:
    """Erase all tasks and documents of a user, and, unless `keep_user`, their keys, their sessions and the user.
    Returns how many rows of which kind went, and how many `bytes`.

    In many transactions: one that breaks off has erased a part, and is to be repeated. Raises `InvalidInput`
    (`last_administrator`) and `StorageUnavailable`, and then nothing is erased.
    """
    # Rather than to erase the rows and to leave the bytes.
    next(disposal.stored(disposal.directory_of(user.pk)), None)
    if not keep_user:
        _require_another_administrator(user)
        User.objects.filter(pk=user.pk).update(is_active=False)  # From now on nobody sends anything in their name.
    gone: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        erased = _erase_some_tasks(user, by) or _erase_some_documents(user)
        if not erased:
            break
        gone += erased
    gone["cached results"] += upkeep.forget_all(user.pk)
    gone["webhook deliveries"] += messages.forget_owner(user.pk)
    owner_id, target = user.pk, Target("user", str(user.pk), user.get_username())
    with transaction.atomic():
        gone["batches"] += Batch.objects.filter(owner_id=owner_id).delete()[1].get(Batch._meta.label, 0)
        IdempotencyKey.objects.filter(owner_id=owner_id).delete()
        if not keep_user:
            gone["sessions"] += _end_sessions(user.pk)
            gone += _by_name(user.delete()[1])
        audit.record(by, "erased", target, {**gone, "user_kept": keep_user})
    _erase_left_over_files(owner_id)
    _empty_the_log(wait_ms=5000)
    return {name: count for name, count in gone.items() if count}


def holdings(user: User) -> dict[str, int]:
    """How many tasks and documents an erasure would take, and how many of the tasks have not ended."""
    tasks = Task.objects.filter(owner=user)
    return {
        "tasks": tasks.count(),
        "tasks that have not ended": tasks.exclude(status__in=FINAL).count(),
        "documents": StoredDocument.objects.filter(owner=user).count(),
    }


def _locked(owner_id: int, document_id: uuid.UUID | None) -> StoredDocument | None:
    if document_id is None:
        return None
    return StoredDocument.objects.select_for_update().filter(owner_id=owner_id, pk=document_id).first()


def _erase(document: StoredDocument) -> int:
    """Inside a transaction that has locked the row; its bytes go when that is committed. Returns how many kept readings
    and answers go with it."""
    waiting = document.tasks.filter(status=Status.QUEUED).values_list("seq", flat=True)
    losses.end_without_document(list(waiting))
    owner_id, sha256 = document.owner_id, document.sha256
    store.erase(document)
    return upkeep.forget(owner_id, sha256)


def _erase_some_tasks(user: User, by: Actor) -> Counter[str]:
    own = Task.objects.filter(owner=user)
    with transaction.atomic():
        rows = list(own.order_by("seq").values_list("seq", "id", "status")[:_AT_ONCE])
        for _seq, task_id, status in rows:
            if status not in FINAL:
                with contextlib.suppress(InvalidInput):  # It may have ended meanwhile.
                    lifecycle.cancel(user.pk, task_id, by)
        seqs = [seq for seq, _id, _status in rows]
        keeping.erase(seqs)
        deleted = own.filter(seq__in=seqs).only("seq").delete()[1]
    return _by_name(deleted)


def _erase_some_documents(user: User) -> Counter[str]:
    with transaction.atomic():
        documents = list(StoredDocument.objects.select_for_update().filter(owner=user).order_by("pk")[:_AT_ONCE])
        size = sum({document.path: document.size for document in documents}.values())
        kept = sum(_erase(document) for document in documents)
    return +Counter({"documents": len(documents), "bytes": size, "cached results": kept})


def _erase_left_over_files(owner_id: int) -> None:
    """What no row of the owner knew of. The sweep would find it too."""
    try:
        disposal.erase_unreferenced([file.path for file in disposal.stored(disposal.directory_of(owner_id))])
    except StorageUnavailable:
        logger.warning("files of an erased owner are left to the sweep", exc_info=True)


def _by_name(deleted: dict[str, int]) -> Counter[str]:
    """Django's count of deleted rows, by the words for them."""
    return +Counter({_words(label): count for label, count in deleted.items()})


def _words(label: str) -> str:
    return str(apps.get_model(label)._meta.verbose_name_plural)


def _require_another_administrator(user: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise InvalidInput("This is the only administrator there is.", "last_administrator")


def _end_sessions(user_id: int) -> int:
    own = [each.pk for each in Session.objects.iterator() if each.get_decoded().get(SESSION_KEY) == str(user_id)]
    return Session.objects.filter(pk__in=own).delete()[0]


def _empty_the_log(wait_ms: int = _WAL_WITHIN_MS) -> None:
    """SQLite overwrites what is deleted (`secure_delete`), and its write-ahead log holds the former pages until it is
    begun anew. Where others read just now, that comes with the next writes."""
    if connection.vendor != "sqlite":
        return
    usual = round(connection.settings_dict["OPTIONS"].get("timeout", 5.0) * 1000)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {wait_ms}")
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")
    except Error:
        logger.warning("write-ahead log was not emptied", exc_info=True)
