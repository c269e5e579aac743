"""A model file is installed whole and proven, or not at all."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelsregistry.local_llm import install, shelf
from modelsregistry.local_llm.install import NotInstalledError, Source

CONTENT = b"GGUF\x03\x00\x00\x00" + b"weights" * 400_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def models(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some-model.gguf"
    path.write_bytes(CONTENT)
    return path


class _Publisher(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved/model.gguf":
            self.send_response(302)
            self.send_header("Location", "/model.gguf?signature=1")
            self.end_headers()
            return
        if self.path == "/missing.gguf":
            self.send_error(404)
            return
        body = b"<html>Please log in" if self.path == "/page.gguf" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/broken.gguf" else body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def publisher() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Publisher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def files_in(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*") if path.suffix != ".lock"} if directory.exists() else set()


def test_it_works(file: Path, models: Path) -> None:
    told: list[tuple[int, int | None]] = []
    chosen = install.install(Source(path=file, sha256=SHA256.upper()), progress=lambda *done: told.append(done))
    assert chosen == shelf.installed() == shelf.Installed(models / "some-model.gguf", SHA256)
    assert chosen.model.read_bytes() == CONTENT
    assert chosen.model.stat().st_mode & 0o777 == 0o600
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert file.exists()


@pytest.mark.parametrize("path", ["/model.gguf", "/moved/model.gguf"])
def test_a_download_arrives_under_its_own_name(publisher: str, models: Path, path: str) -> None:
    assert install.install(Source(url=publisher + path, sha256=SHA256)).model == models / "model.gguf"


def test_a_path_without_a_checksum_is_taken_as_it_is(file: Path) -> None:
    assert install.install(Source(path=file, name="mine")).sha256 == SHA256


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/model.gguf", "SHA-256 is"),
        ("/page.gguf", "no GGUF file"),
        ("/broken.gguf", "download failed"),
        ("/missing.gguf", "answered 404"),
    ],
)
def test_a_bad_download_leaves_nothing_behind(publisher: str, models: Path, path: str, sentence: str) -> None:
    with pytest.raises(NotInstalledError, match=sentence):
        install.install(Source(url=publisher + path, sha256="0" * 64))
    assert files_in(models) == set()
    assert shelf.installed() is None


def test_nobody_listens(models: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/model.gguf"
        with pytest.raises(NotInstalledError, match="ConnectError"):
            install.install(Source(url=url, sha256=SHA256))
    assert files_in(models) == set()


@pytest.mark.parametrize(
    "content", [b"", b"GGU", b"GGUF\x03\x00\x00", b"GGUF\x01\x00\x00\x00old", b"\x89PNG\r\n\x1a\n" * 9]
)
def test_what_is_no_gguf_is_refused(tmp_path: Path, models: Path, content: bytes) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(NotInstalledError, match="no GGUF"):
        install.install(Source(path=path))
    assert files_in(models) == set()


def test_a_file_beyond_the_bound_is_refused(file: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(NotInstalledError, match="larger"):
        install.install(Source(path=file))
    assert files_in(models) == set()


def test_a_failed_installation_spares_the_one_before(file: Path, publisher: str) -> None:
    before = install.install(Source(path=file))
    with pytest.raises(NotInstalledError):
        install.install(Source(url=f"{publisher}/model.gguf", sha256="0" * 64, name="some-model"))
    assert shelf.installed() == before
    assert before.model.read_bytes() == CONTENT


def test_two_installations_at_once(file: Path) -> None:
    with shelf.lock("install") as free:
        assert free
        with pytest.raises(NotInstalledError, match="under way"):
            install.install(Source(path=file))


@pytest.mark.parametrize("name", ["../escape", ".hidden", "a/b", "x" * 101, "a b"])
def test_a_name_stays_in_the_directory(file: Path, name: str) -> None:
    with pytest.raises(NotInstalledError, match="name"):
        install.install(Source(path=file, name=name))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Source(url="http://127.0.0.1:9/a.gguf"), "needs its SHA-256"),
        (Source(url="http://127.0.0.1:9/a.gguf", sha256="ab"), "64 hex"),
    ],
)
def test_a_download_needs_a_checksum(source: Source, sentence: str) -> None:
    with pytest.raises(NotInstalledError, match=sentence):
        install.install(source)


def test_a_projector_belongs_to_a_model(file: Path, tmp_path: Path, models: Path) -> None:
    with pytest.raises(NotInstalledError, match="Install the model first"):
        install.install(Source(path=file), projector=True)
    before = install.install(Source(path=file))
    with pytest.raises(NotInstalledError, match="in use"):
        install.install(Source(path=file), projector=True)
    chosen = install.install(Source(path=file, name="eyes"), projector=True)
    assert chosen == shelf.installed()
    assert (chosen.model, chosen.projector) == (before.model, models / "eyes.gguf")
    other = install.install(Source(path=file, name="other"))
    assert other.projector is None


def test_a_file_that_is_gone_is_not_installed(file: Path) -> None:
    install.install(Source(path=file)).model.unlink()
    assert shelf.installed() is None


def test_the_default_is_pinned() -> None:
    assert install.DEFAULT.url.startswith("https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/")
    assert "/main/" not in install.DEFAULT.url
    assert len(install.DEFAULT.sha256) == 64
