"""Reading documents in a child process that can be killed and is limited in memory, time and output.

client  ──job, descriptors──▶  server (exec'd, clean, warm)  ──fork──▶  child (limited, reads one document)
   ◀────────────────── pages; "may I recognise?" ──────────────────────────┘
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from processing.documents.contract import Format, Inspection, PagePicture, ReadOptions
from processing.documents.recognition_slots import RecognitionSlots
from processing.documents.sandbox.client import Sandbox, ShownPage, Source
from processing.documents.sandbox.reading import Reading

__all__ = ["Reading", "Sandbox", "ShownPage", "Source", "close", "inspect", "page_picture", "reading"]

_sandbox = Sandbox()


def close() -> None:
    """End the server of this process, and with it whatever it reads; the next document starts another."""
    _sandbox.close()


def inspect(
    file: Source,
    format: Format,
    *,
    timeout: float = 10,
    password: str | None = None,
    enclosed: frozenset[str] = frozenset(),
) -> Inspection:
    """Whether a file is whole, and how many pages it has; `timeout` is in seconds, `password` opens what is encrypted,
    `enclosed` names the formats whose files are read where they are attached: how many pages they have is not told.

    Raises `DocumentFailed`, `InvalidInput` (`type_mismatch`), `DeadlineExceeded`, `ServiceUnavailable`.
    """
    return _sandbox.inspect(file, format, deadline=time.monotonic() + timeout, password=password, enclosed=enclosed)


def reading(
    file: Source,
    format: Format,
    options: ReadOptions,
    *,
    deadline: float,
    recognition: RecognitionSlots | None = None,
) -> AbstractContextManager[Reading]:
    """Read a document page by page; leaving the block kills the child. `deadline` is a `time.monotonic()` value.

    Text is recognised when one of the slots of `recognition` is free, and at once where none are given. Raises
    `DocumentFailed`, `InvalidInput` (`type_mismatch`), `DeadlineExceeded`, `ServiceUnavailable`.
    """
    return _sandbox.reading(file, format, options, deadline=deadline, recognition=recognition)


def page_picture(
    file: Source,
    format: Format,
    shown: ShownPage,
    options: ReadOptions,
    *,
    deadline: float,
    recognition: RecognitionSlots | None = None,
) -> PagePicture:
    """A page as a PNG with passages marked, and where they stand; `deadline` is a `time.monotonic()` value.

    Of `options`, `image_max_side` bounds the picture's sides in pixels, and `ocr` allows to look for passages by text
    recognition, when one of the slots of `recognition` is free. The first 20 passages are looked for, each by its first
    1,000 characters. Raises as `reading` does, and `NotFound` (`no_such_page`, `no_page_picture`).
    """
    return _sandbox.page_picture(file, format, shown, options, deadline=deadline, recognition=recognition)
