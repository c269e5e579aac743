"""What both databases give of themselves: everything as it was at one moment, in files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Of all documents in the order of their places, by bytes. Rows with other file names may share the bytes.
LISTING = """
SELECT path, MAX(size), MAX(sha256) FROM processing_storeddocument GROUP BY path ORDER BY path
"""
MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY id"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`database` is the file that becomes the archive's `member`, `unpacked` its size in bytes once it is unpacked;
    `documents` has a line of JSON for each stored document: its path, its size and its hash."""

    member: str
    database: Path
    unpacked: int
    rows: dict[str, int]
    migrations: list[str]
    documents: Path


def write_listing(path: Path, documents: Iterable[tuple[str, int, str]]) -> None:
    """What `LISTING` finds, one at a time."""
    with path.open("w") as file:
        for place, size, sha256 in documents:
            file.write(json.dumps([place, size, sha256]) + "\n")
