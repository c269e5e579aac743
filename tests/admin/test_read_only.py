"""What the service writes, nobody edits: not by a form, not by a forged request."""

from __future__ import annotations

from typing import Any

import pytest
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from processing.documents.models import StoredDocument
from processing.queue.models import WorkerHost
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Task

NAMES = ["task", "storeddocument", "workerhost", "configurationrevision"]


@pytest.fixture
def rows(task: Task, document: StoredDocument, revision: ConfigurationRevision, host: WorkerHost) -> dict[str, Any]:
    return {"task": task, "storeddocument": document, "workerhost": host, "configurationrevision": revision}


@pytest.mark.parametrize("name", NAMES)
def test_it_works(as_root: Client, rows: dict[str, Any], name: str) -> None:
    page = as_root.get(reverse(f"admin:processing_{name}_change", args=[rows[name].pk])).content.decode()

    assert 'name="_save"' not in page
    assert "<textarea" not in page


@pytest.mark.parametrize("name", NAMES)
def test_no_post_changes_a_row(as_root: Client, rows: dict[str, Any], name: str) -> None:
    row = rows[name]
    before = model_to_dict(row)
    forged = {
        "status": "completed",
        "filename": "other.pdf",
        "prompt": "other",
        "result": "{}",
        "overrides": "{}",
        "changes": "{}",
        "workers": "99",
        "host": row.pk,
        "_save": "Save",
    }

    response = as_root.post(reverse(f"admin:processing_{name}_change", args=[row.pk]), forged)

    assert response.status_code == 403
    row.refresh_from_db()
    assert model_to_dict(row) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_adds_a_row(as_root: Client, rows: dict[str, Any], name: str, method: str) -> None:
    response = getattr(as_root, method)(reverse(f"admin:processing_{name}_add"))

    assert response.status_code == 403


@pytest.mark.parametrize("name", NAMES)
def test_nobody_deletes_a_row(as_root: Client, rows: dict[str, Any], name: str) -> None:
    row = rows[name]

    one = as_root.post(reverse(f"admin:processing_{name}_delete", args=[row.pk]), {"post": "yes"})
    as_root.post(
        reverse(f"admin:processing_{name}_changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )

    assert one.status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()
