"""Clients that others wrote, rebuilt from what is known of what they send and what they read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

FORM = "----a-boundary-of-its-own"


@dataclass
class DemoClient:
    """The desktop program of the older service. Its base URL ends in a slash, so its paths begin with two."""

    url: str
    key: str

    def reaches_the_service(self) -> bool:
        statuses = [httpx.get(f"{self.url}/{path}").status_code for path in ("/api/v2/health", "/health")]
        return all(status in (200, 401, 403) for status in statuses)

    def process(self, name: str, data: bytes, prompt: str) -> str:
        """The answer. Any status but 200 is an error at submitting, and ignored at polling."""
        parts = [
            self._field("prompt", prompt),
            self._field("max_tokens", "2000"),
            self._field("rag_full_context", "true"),
            self._field("chunk_size", "1000"),
            # No Content-Type.
            f'--{FORM}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data,
        ]
        body = b"\r\n".join(parts) + f"\r\n--{FORM}--\r\n".encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": f"multipart/form-data; boundary={FORM}"}
        reply = httpx.post(f"{self.url}//api/v2/process", content=body, headers=headers, timeout=120)
        assert reply.status_code == 200, reply.text
        task_id = reply.json()["task_id"]
        for _ in range(300):
            poll = httpx.get(f"{self.url}//api/v2/status/{task_id}", headers=headers, timeout=10)
            if poll.status_code == 200:
                state = poll.json()
                assert isinstance(state["status"], str)
                assert state["progress"] + 0.0 >= 0
                if state["status"] == "completed":
                    assert state["result"]["content"]
                    return str(state["result"]["content"])
                assert state["status"] != "failed", state["error"]
            time.sleep(0.1)
        raise AssertionError("gave up")

    @staticmethod
    def _field(name: str, value: str) -> bytes:
        return f'--{FORM}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


@dataclass
class OpenWebUI:
    """Open WebUI's two ways to have a document read: its external loader and its docling engine."""

    url: str
    key: str

    def external(self, path: Path, media_type: str | None = "application/pdf") -> list[dict[str, Any]]:
        """The documents that it would index. Raises with the service's sentence, as it shows it to the person."""
        headers = {"Authorization": f"Bearer {self.key}", "X-Filename": quote(path.name)}
        if media_type is not None:
            headers["Content-Type"] = media_type
        headers["X-OpenWebUI-User-Name"] = quote("Jörg")
        reply = httpx.put(f"{self.url}/api/v2/process", content=path.read_bytes(), headers=headers, timeout=30)
        if not reply.is_success:
            body = reply.json()
            raise RuntimeError(body.get("detail") or body.get("message") or body.get("msg"))
        found = reply.json()
        documents = found if isinstance(found, list) else [found]
        for document in documents:
            assert isinstance(document["page_content"], str)
            assert isinstance(document["metadata"], dict)
        return documents

    def docling(self, path: Path) -> str:
        """The Markdown that it would index."""
        reply = httpx.post(
            f"{self.url}/v1/convert/file",
            files={"files": (path.name, path.read_bytes(), "application/octet-stream")},
            data={"image_export_mode": "placeholder"},
            headers={"X-Api-Key": self.key},
            timeout=150,
        )
        if not reply.is_success:
            raise RuntimeError(reply.json()["detail"])
        return str(reply.json()["document"]["md_content"])


@dataclass
class DoclingClient:
    """A client of docling-serve's v1 that begins, polls and fetches."""

    url: str
    key: str

    def convert(self, path: str, **body: Any) -> dict[str, Any]:
        with httpx.Client(base_url=self.url, headers={"X-Api-Key": self.key}, timeout=60) as http:
            assert http.get("/health").json() == {"status": "ok"}
            begun = http.post(f"{path}/async", **body)
            begun.raise_for_status()
            task = begun.json()
            assert task["task_type"] == "convert"
            while task["task_status"] in ("pending", "started"):
                task = http.get(f"/v1/status/poll/{task['task_id']}", params={"wait": 5}).raise_for_status().json()
            result = http.get(f"/v1/result/{task['task_id']}").raise_for_status().json()
            assert task["task_status"] == result["status"]
            return dict(result)
