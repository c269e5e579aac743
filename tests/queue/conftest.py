"""Tasks over real documents, in a database that threads can share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile

from modelsregistry.provisioning import provision
from processing.documents import registry, store
from processing.pipeline.options import RequestOptions
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Task
from tests import samples
from tests.conftest import Tenant

Ask = Callable[..., Task]


@pytest.fixture
def ask(alice: Tenant) -> Ask:
    """Submits a question about a document of alice's, as the door would."""
    provision({})

    def submit(data: bytes | None = None, kind: str = "pdf", **options: Any) -> Task:
        data = samples.pdf() if data is None else data
        document = store.keep(
            alice.user,
            ContentFile(data),
            filename=f"invoice.{kind}",
            format=registry.named(kind),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            pages=None,
        )
        kept = RequestOptions(**options).kept()
        prompt = "What is the total amount?"
        return lifecycle.submit(Submission(alice.user.pk, alice.key.pk, document, prompt, "local", kept, 0, ""))

    return submit
