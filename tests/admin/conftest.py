"""Somebody who may see everything, and rows for them to see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from processing.documents.models import StoredDocument
from processing.queue.models import WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Status, Task
from tests.conftest import untold_key

RESULT: dict[str, Any] = {
    "content": "The total is 12.50 EUR.",
    "citations": [{"page": 3, "text": "Total due: 12.50 EUR", "score": 0.9}],
    "processing_metadata": {"extraction_method": "text"},
}


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.com", "pw")


@pytest.fixture
def as_root(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """A member of the staff who holds the permissions that are named, such as `processing.view_task`."""

    def signed_in(*permissions: str) -> Client:
        user = User.objects.create_user("clerk", is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def document(owner: User) -> StoredDocument:
    return make_document(owner)


@pytest.fixture
def task(document: StoredDocument) -> Task:
    return make_task(document, status=Status.COMPLETED, result=RESULT, completed_at=timezone.now())


@pytest.fixture
def revision(root: User) -> ConfigurationRevision:
    return ConfigurationRevision.objects.create(overrides={"timeout": 60}, changes={"timeout": 60}, author=root)


@pytest.fixture
def host(db: None) -> WorkerHost:
    return WorkerHost.objects.create(
        host="worker-1", pid=7, workers=2, max_concurrent=2, started_at=timezone.now(), heartbeat_at=timezone.now()
    )


@pytest.fixture
def key(owner: User) -> Any:
    return untold_key(owner, "laptop")[0]


def make_document(owner: User, filename: str = "invoice.pdf") -> StoredDocument:
    return StoredDocument.objects.create(
        owner=owner,
        filename=filename,
        format="pdf",
        media_type="application/pdf",
        size=1234,
        sha256="a" * 64,
        path="1/aa",
        pages=3,
    )


def make_task(document: StoredDocument, **columns: Any) -> Task:
    columns = {
        "prompt": "What is the total?",
        "model": "local",
        "filename": document.filename,
        "started_at": timezone.now() - timedelta(seconds=5),
        **columns,
    }
    return Task.objects.create(
        owner=document.owner, document=document, file_size=1234, file_type="application/pdf", pages=3, **columns
    )
