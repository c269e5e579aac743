"""The commands of docs/operations/storage.md, pasted beside a real service, move its documents to S3 and back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx
import pytest
from django.core.files.storage import storages

from processing.documents.blobs import Blobs
from tests import samples
from tests.guide.programs import require
from tests.stack.service import RunningService, running_service
from tests.stack.test_model_docs import commands
from tests.stack.test_readme import paste
from tests.storage.conftest import stored_in
from tests.storage.servers import Server

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
PAGE = "docs/operations/storage.md"
PATIENCE = 120.0


class Caller:
    """Sends documents to a running service and waits for what becomes of them."""

    def __init__(self, service: RunningService, key: str) -> None:
        self._client = httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=PATIENCE
        )

    def upload(self, content: bytes) -> str:
        answer = self._client.post("/api/v2/upload", files={"file": ("invoice.pdf", content)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["file_id"])

    def answer_about(self, file_id: str) -> str:
        fields = {"file_id": (None, file_id), "prompt": (None, "What is the total amount?")}
        task = self._client.post("/api/v2/process", files=fields).raise_for_status().json()["task_id"]
        until = time.monotonic() + PATIENCE
        while (body := self._client.get(f"/api/v2/tasks/{task}").json())["status"] in ("queued", "processing"):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert body["status"] == "completed", body
        return str(body["result"]["content"])

    def wait_until_the_storage_is_healthy(self) -> None:
        until = time.monotonic() + PATIENCE
        while self._client.get("/api/v2/health").json()["services"]["storage"] != "healthy":
            assert time.monotonic() < until
            time.sleep(0.2)

    def erase(self, file_id: str) -> None:
        assert self._client.delete(f"/api/v2/upload/{file_id}").status_code == 204


def paths_in(variables: dict[str, str], directory: Path) -> list[str]:
    with stored_in("s3", variables, directory):
        return [file.path for file in Blobs(storages["s3"]).walk("documents")]


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_it_works(server: Server, tmp_path: Path) -> None:
    require("bash")
    there = {**server.variables, "S3_KEY_PREFIX": tmp_path.name}
    data_dir = tmp_path / "data"
    check, dry_run, migrate, back, *to_a_new_bucket = [line for line in commands(PAGE) if "manage.py" in line]
    new_bucket = {**there, "S3_KEY_PREFIX": f"{tmp_path.name}-new"}
    file = tmp_path / "new-bucket.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in new_bucket.items()))
    with running_service(data_dir, **there) as service:
        key = service.key
        caller = Caller(service, key)
        file_id = caller.upload(samples.pdf())
        assert "several parts: well" in paste(check, service.environment)
        assert "To copy: 1 documents" in paste(dry_run, service.environment)
        assert paths_in(there, tmp_path) == []
        assert "All 1 documents are in s3." in paste(migrate, service.environment)
    shutil.rmtree(data_dir / "files")

    with running_service(data_dir, STORAGE_PROVIDER="s3", **there) as service:
        caller = Caller(service, key)
        caller.wait_until_the_storage_is_healthy()
        assert "108.00" in caller.answer_about(file_id)
        other = caller.upload(samples.pdf("Another one. Total amount due: 5.00 EUR"))
        assert "5.00" in caller.answer_about(other)
        assert len(paths_in(there, tmp_path)) == 2
        caller.erase(file_id)
        assert len(paths_in(there, tmp_path)) == 1
        checked, moved = (
            paste(each.replace("new-bucket.env", str(file)), service.environment) for each in to_a_new_bucket
        )
        assert "several parts: well" in checked
        assert "All 1 documents are in s3." in moved
        assert paths_in(new_bucket, tmp_path) == paths_in(there, tmp_path)
        assert "All 1 documents are in local." in paste(back, service.environment)
        assert len([path for path in (data_dir / "files").rglob("*") if path.is_file()]) == 1
        assert [path for path in (data_dir / "incoming").iterdir() if path.stat().st_size] == []
