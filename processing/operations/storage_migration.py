"""Copies documents from one storage to another, each verified where it has arrived; begun anew, it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files import File

from processing.documents.blobs import Blobs
from processing.documents.models import StoredDocument
from processing.errors import DocumentFailed

_AT_ONCE = 500  # rows read at once


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one or more documents."""

    path: str
    size: int
    sha256: str


@dataclass(slots=True)
class Tally:
    """What became of the documents' bytes. `to_copy` counts what a dry run would have copied; `missing` and `damaged`
    are the paths of those that the source has not, or has no longer as they were."""

    copied: int = 0
    copied_bytes: int = 0
    to_copy: int = 0
    to_copy_bytes: int = 0
    there_already: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.copied + self.to_copy + self.there_already + len(self.missing) + len(self.damaged)


class Journal:
    """The paths that were verified in the target, a line each, so that whoever goes on does not read them again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            text = file.read_text()
        except FileNotFoundError:
            text = ""
        self._known = set(text[: text.rfind("\n") + 1].splitlines())  # A last line may have been cut short.

    def __contains__(self, path: str) -> bool:
        return path in self._known

    def add(self, path: str) -> None:
        """Note that the target has it."""
        if path in self._known:
            return
        with self._file.open("a") as file:
            file.write(f"\n{path}\n")  # On a line of its own, whatever was cut short before.
        self._known.add(path)


@dataclass(frozen=True, slots=True)
class Migration:
    """From one storage to another; the source is only read. `progress` is called after each with what was done and of
    how many."""

    source: Blobs
    target: Blobs
    journal: Journal
    progress: Callable[[Tally, int], None] = lambda _tally, _of: None

    def dry_run(self) -> Tally:
        """What there would be to do, by names and sizes. Raises `StorageUnavailable`."""
        return self._over_all(self._foresee)

    def run(self) -> Tally:
        """Copy what is not there. Raises `StorageUnavailable` where either storage goes away, `ServiceUnavailable`
        (`disk_full`); what was copied until then stays. A document that is stored meanwhile may need another run."""
        return self._over_all(self._copy)

    def _over_all(self, step: Callable[[Blob, Tally], None]) -> Tally:
        tally, total = Tally(), StoredDocument.objects.order_by().values("path").distinct().count()
        for blob in _blobs():
            try:
                step(blob, tally)
            except FileNotFoundError:
                tally.missing.append(blob.path)
            except DocumentFailed:
                tally.damaged.append(blob.path)
            self.progress(tally, total)
        return tally

    def _foresee(self, blob: Blob, tally: Tally) -> None:
        if self._size_there(blob) == blob.size:
            tally.there_already += 1
        elif self.source.size(blob.path) == blob.size:
            tally.to_copy += 1
            tally.to_copy_bytes += blob.size
        else:
            tally.damaged.append(blob.path)

    def _copy(self, blob: Blob, tally: Tally) -> None:
        if self._is_done(blob):
            tally.there_already += 1
            return
        with self.source.verified(blob.path, blob.size, blob.sha256) as file:
            self.target.delete(blob.path)  # A part that was left: a local storage would keep it.
            self.target.put(blob.path, File(file, name=blob.sha256))
        self.target.verified(blob.path, blob.size, blob.sha256).close()
        self.journal.add(blob.path)
        tally.copied += 1
        tally.copied_bytes += blob.size

    def _is_done(self, blob: Blob) -> bool:
        """Whether the target has it: as long as it should be and verified before, or verified now."""
        if self._size_there(blob) != blob.size:
            return False
        if blob.path not in self.journal:
            try:
                self.target.verified(blob.path, blob.size, blob.sha256).close()
            except DocumentFailed:
                return False
            self.journal.add(blob.path)
        return True

    def _size_there(self, blob: Blob) -> int | None:
        try:
            return self.target.size(blob.path)
        except FileNotFoundError:
            return None


def _blobs() -> Iterator[Blob]:
    """Of all documents, by path; those that share their bytes are one."""
    last = ""
    while True:
        rows = StoredDocument.objects.filter(path__gt=last).order_by("path").values_list("path", "size", "sha256")
        found = list(rows.distinct()[:_AT_ONCE])
        if not found:
            return
        for path, size, sha256 in found:
            yield Blob(path, size, sha256)
        last = found[-1][0]
