"""Brings a model file into the data directory: streamed, bounded, its checksum proven before it takes its name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from modelsregistry.local_llm import shelf

MAX_BYTES = 64 * 1024**3
_CHUNK = 1024 * 1024
_SILENCE = 60.0  # seconds after which a download counts as stalled
_SPARE_BYTES = 256 * 1024**2  # what a download leaves free on the disk: the database lives there too
_MAGIC = b"GGUF"  # github.com/ggml-org/ggml/blob/master/docs/gguf.md
_VERSIONS = (2, 3)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[int, int | None], None]


class NotInstalledError(Exception):
    """Nothing was installed, and nothing is left behind; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model file comes from: a `path` or a `url`. Without a `sha256` a path is taken as it is, a URL is not.

    `name` is the file's in the data directory, without `.gguf`; by default as the source calls it.
    """

    path: Path | None = None
    url: str = ""
    sha256: str = ""
    name: str = ""


# Alibaba Cloud's own repository, Apache-2.0, 491 MB; the digest is that of the file at this very revision.
DEFAULT = Source(
    url=(
        "https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/"
        "9217f5db79a29953eb74d5343926648285ec7e67/qwen2.5-0.5b-instruct-q4_k_m.gguf"
    ),
    sha256="74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
)


def _untold(_done: int, _of: int | None) -> None:
    pass


def install(source: Source, *, projector: bool = False, progress: Progress = _untold) -> shelf.Installed:
    """Install a model, or the `projector` of the one that is installed. `progress` gets the bytes done, and
    of how many. Raises `NotInstalledError`.
    """
    name, wanted = _name(source), _checksum(source)
    with shelf.lock("install") as free:
        if not free:
            raise NotInstalledError("Another installation is under way.")
        before = shelf.installed()
        if projector and before is None:
            raise NotInstalledError("There is no model that this could be the projector of. Install the model first.")
        target = shelf.directory() / f"{name}.gguf"
        if before is not None and target == (before.model if projector else before.projector):
            raise NotInstalledError(f"{target.name} is in use. Give this file another name.")
        digest = _fetch(source, target, wanted, progress)
        if projector and before is not None:
            chosen = replace(before, projector=target, projector_sha256=digest)
        else:
            chosen = shelf.Installed(target, digest)
        shelf.note(chosen)
    return chosen


def _name(source: Source) -> str:
    last = source.path.name if source.path else unquote(urlsplit(source.url).path).rpartition("/")[2]
    name = (source.name or last).removesuffix(".gguf")
    if not _NAME.fullmatch(name):
        raise NotInstalledError("The name may have letters, digits, points, hyphens and underscores, 100 at most.")
    return name


def _checksum(source: Source) -> str:
    wanted = source.sha256.strip().lower()
    if source.url and not wanted:
        raise NotInstalledError("A file from a URL needs its SHA-256, as its publisher gives it.")
    if wanted and not _SHA256.fullmatch(wanted):
        raise NotInstalledError("A SHA-256 has 64 hexadecimal digits.")
    return wanted


def _fetch(source: Source, target: Path, wanted: str, progress: Progress) -> str:
    """Bring the file to `target` if it is what it should be; returns its SHA-256."""
    draft = target.with_name(f"{target.name}.part")
    try:
        with _opened(source) as (chunks, size):
            _require_room(size)
            digest = _write(chunks, size, draft, progress)
        if wanted and digest != wanted:
            raise NotInstalledError(f"The file's SHA-256 is {digest}, not {wanted}. It was thrown away.")
        draft.replace(target)
    except OSError as error:
        raise NotInstalledError(f"The file could not be copied: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _write(chunks: Iterator[bytes], size: int | None, draft: Path, progress: Progress) -> str:
    digest, done, head = hashlib.sha256(), 0, b""
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for chunk in chunks:
            if len(head) < 8:
                head = (head + chunk)[:8]
                _require_gguf(head)
            done += len(chunk)
            if done > MAX_BYTES:
                raise NotInstalledError(f"The file is larger than {MAX_BYTES // 1024**3} GB.")
            digest.update(chunk)
            file.write(chunk)
            progress(done, size)
        if len(head) < 8:
            raise _no_gguf()
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _require_gguf(head: bytes) -> None:
    """Refuse a file as soon as its first bytes, as many as there are yet, are not those of a GGUF file."""
    version = int.from_bytes(head[4:8], "little")
    if head[:4] != _MAGIC[: len(head)] or (len(head) == 8 and version not in _VERSIONS):
        raise _no_gguf()


def _no_gguf() -> NotInstalledError:
    return NotInstalledError("This is no GGUF file that llama.cpp can read.")


def _require_room(size: int | None) -> None:
    if size is not None and size > MAX_BYTES:
        raise NotInstalledError(f"The file is larger than {MAX_BYTES // 1024**3} GB.")
    if size is not None and size + _SPARE_BYTES > shutil.disk_usage(shelf.directory()).free:
        raise NotInstalledError(f"The disk of {shelf.directory()} has no room for {size} bytes.")


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """The bytes, and how many there will be, where that is known."""
    if source.path is not None:
        with source.path.open("rb") as file:
            yield iter(lambda: file.read(_CHUNK), b""), os.fstat(file.fileno()).st_size
        return
    try:
        # The administrator's own errand: redirects and the environment's proxy are followed, the checksum decides.
        with httpx.stream(
            "GET", source.url, follow_redirects=True, timeout=_SILENCE, headers={"Accept-Encoding": "identity"}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise NotInstalledError(f"The server answered {response.status_code}.")
            length = response.headers.get("content-length", "")
            yield response.iter_raw(_CHUNK), int(length) if length.isdecimal() else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotInstalledError(f"The download failed: {type(error).__name__}.") from error
