"""`pages` and `response_schema` on the wire: refused at the door in words, or in force."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processing.documents.models import StoredDocument
from processing.queue import worker
from processing.tasks.models import Task
from tests import samples
from tests.conftest import Tenant

pytestmark = pytest.mark.django_db(transaction=True)
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


def process(tenant: Tenant, **fields: str):  # type: ignore[no-untyped-def]  # DRF's test response
    file = SimpleUploadedFile("invoice.pdf", samples.pdf())
    return tenant.client.post("/api/v2/process", {"prompt": "What is the total amount?", "file": file, **fields})


def result_of(tenant: Tenant, task_id: str):  # type: ignore[no-untyped-def]
    assert worker.work()
    return tenant.client.get(f"/api/v2/status/{task_id}").json()


def test_it_works(alice: Tenant) -> None:
    reply = process(alice, response_schema=json.dumps(SCHEMA), pages="1-").json()
    assert reply["config_applied"]["response_schema"] == SCHEMA
    status = result_of(alice, reply["task_id"])
    assert status["status"] == "completed", status
    assert isinstance(status["result"]["data"]["total"], (int, float))
    assert json.loads(status["result"]["content"]) == status["result"]["data"]
    assert status["result"]["processing_metadata"]["context"]["way"] == "whole"


@pytest.mark.parametrize("pages", ["0", "3-1", "999", "a", "1;2", "-1", "1" * 1001])
def test_pages_that_cannot_be_are_refused_and_nothing_is_kept(alice: Tenant, pages: str) -> None:
    response = process(alice, pages=pages)
    assert (response.status_code, response.json()["error_type"]) == (422, "validation_error")
    assert "pages" in response.json()["errors"]
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()


@pytest.mark.parametrize("schema", ["{", "[]", '{"type": "x"}', '{"$ref": "http://example.org/s"}', "1" * 70_000])
def test_a_schema_that_is_none_is_refused(alice: Tenant, schema: str) -> None:
    response = process(alice, response_schema=schema)
    assert response.status_code == 422, response.content
    assert "response_schema" in response.json()["errors"]
    assert not Task.objects.exists()


def test_a_schema_that_the_answer_cannot_fit_fails_honestly(alice: Tenant) -> None:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
    status = result_of(alice, process(alice, response_schema=json.dumps(schema)).json()["task_id"])
    assert (status["status"], status["error_code"]) == ("failed", "schema_mismatch")


def test_pages_limit_what_is_read(alice: Tenant) -> None:
    status = result_of(alice, process(alice, pages="1").json()["task_id"])
    metadata = status["result"]["processing_metadata"]
    assert metadata["pages_processed"] == 1
    assert metadata["context"]["pages_given"] == "1"
