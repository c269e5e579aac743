"""A line on the terminal that says how far something is; nothing where no terminal is."""

from __future__ import annotations

import shutil
import unicodedata
from types import TracebackType
from typing import TextIO

_WIDTH = 24  # characters of the bar


class Bar:
    """Shows one line, over and over, and wipes it away at the end of the block."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shows = stream.isatty()
        self._is_dirty = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._is_dirty:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, percent: float, words: str) -> None:
        """How far (0 to 100), and with what."""
        if not self._shows:
            return
        done = round(_WIDTH * min(100.0, max(0.0, percent)) / 100)
        line = f"[{'#' * done}{'.' * (_WIDTH - done)}] {percent:3.0f} %  {' '.join(printable(words).split())}"
        columns = shutil.get_terminal_size().columns
        self._stream.write(f"\r\x1b[K{line[: columns - 1]}")
        self._stream.flush()
        self._is_dirty = True


def printable(text: str) -> str:
    """Without what would command a terminal: an answer may repeat whatever stands in a document."""
    return "".join(each for each in text if each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))
