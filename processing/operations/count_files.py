"""The files that web processes count in, with every block of theirs allocated before it is written.

`prometheus_client` maps sparse files into memory. Where the disk is full, the kernel ends a process that writes into a
hole of such a file (SIGBUS): a full disk would end the web server. Where there is no room, counts are kept in memory.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

INITIAL = 1 << 18  # bytes: some thousand series


class AllocatedDict(MmapedDict):
    """A file of counts without holes. Raises OSError where the disk has no room for it."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        if not read_mode:
            _allocate(Path(filename))
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        """The library doubles the file when an entry of a key and some 32 bytes more does not fit."""
        if self._used + len(key.encode()) + 64 > self._capacity:
            self._double()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _double(self) -> None:
        os.posix_fallocate(self._f.fileno(), 0, self._capacity * 2)
        self._capacity *= 2
        self._m = mmap.mmap(self._f.fileno(), self._capacity)


class LastingDict(AllocatedDict):
    """The same that goes on in memory where the disk has no room: nobody else reads those counts, and nothing fails."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002 - as above
        try:
            super().__init__(filename, read_mode)
        except OSError:
            if read_mode:
                raise
            memory = os.memfd_create("counts")
            super().__init__(f"/proc/self/fd/{memory}")
            os.close(memory)

    def _double(self) -> None:
        try:
            super()._double()
        except OSError:
            self._move_into_memory()
            super()._double()

    def _move_into_memory(self) -> None:
        memory: Any = os.fdopen(os.memfd_create("counts"), "r+b")
        memory.write(self._m[:])
        memory.flush()
        self._f.close()
        self._f = memory


def use() -> None:
    """Let the library count in such files, in this process and those that are forked of it."""
    values.MmapedDict = LastingDict  # type: ignore[attr-defined]


def _allocate(path: Path) -> None:
    with path.open("ab") as file:
        size = file.tell()
        try:
            os.posix_fallocate(file.fileno(), 0, max(size, INITIAL))
        except OSError:
            if size == 0:  # Whoever adds the files up would stumble over an empty one.
                path.unlink()
            raise
