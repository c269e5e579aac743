"""Archives of backups, made by hand, and what somebody may do to them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from processing.operations.backup.manifest import Manifest
from processing.operations.backup.writing import Writer

KEY = "the-key-of-the-service-that-made-it"
DOCUMENT = b"Invoice number 4711" * 400
DIGEST = hashlib.sha256(DOCUMENT).hexdigest()
PATH = f"documents/7/{DIGEST[:2]}/{DIGEST}"

Entry = tuple[tarfile.TarInfo, bytes]


def manifest(checksums: str = "", **changed: Any) -> Manifest:
    said: dict[str, Any] = {
        "format": 1,
        "service_version": "2.0.0",
        "made_at": "2026-11-27T12:00:00+00:00",
        "vendor": "sqlite",
        "database_bytes": 3,
        "rows": {},
        "migrations": [],
        "files": "copy",
        "documents": 1,
        "document_bytes": len(DOCUMENT),
        "missing": 0,
        "damaged": 0,
        "has_secret_key": False,
        "former_keys": 0,
        "checksums": checksums,
    }
    return Manifest(**{**said, **changed}).signed(KEY)


def write(path: Path, **changed: Any) -> bytes:
    """A whole archive of a database that is none and one document; returns its bytes."""
    with path.open("wb") as out:
        writer = Writer(out, path.with_suffix(".sums"))
        writer.add_bytes("configuration.json", b"{}")
        writer.add_bytes("database.sqlite3.gz", b"abc")
        writer.add_bytes(f"files/{PATH}", DOCUMENT)
        writer.add_bytes(
            "documents.jsonl",
            f'{{"path": "{PATH}", "bytes": {len(DOCUMENT)}, "sha256": "{DIGEST}", "state": "whole"}}\n'.encode(),
        )
        writer.finish(lambda checksums: manifest(checksums, **changed))
    return path.read_bytes()


def entries(archive: bytes) -> list[Entry]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def packed(members: Iterable[Entry], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def rebuilt(archive: bytes, change: Callable[[list[Entry]], list[Entry]], *, honest: bool = False) -> bytes:
    """The archive with other members; `honest`: with a list of checksums and a manifest that fit them, unsigned."""
    changed = change(entries(archive))
    if not honest:
        return packed(changed)
    kept = [each for each in changed if each[0].name not in ("SHA256SUMS", "manifest.json")]
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {member.name}\n" for member, content in kept).encode()
    told = manifest(hashlib.sha256(sums).hexdigest()).model_copy(update={"signature": "0" * 64})
    return packed([*kept, entry("SHA256SUMS", sums), entry("manifest.json", told.as_json())])


def entry(name: str, content: bytes = b"", **columns: Any) -> Entry:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for column, value in columns.items():
        setattr(member, column, value)
    return member, content
