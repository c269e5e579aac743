"""A page of a task's document as a person sees it, with the passages marked that the answer rests on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from modelsregistry import secrets
from processing.documents import registry, sandbox
from processing.documents.contract import ReadOptions, Rectangle
from processing.documents.sandbox import ShownPage
from processing.errors import DocumentFailed
from processing.pipeline import read, recognition
from processing.runtime.parameters import Parameters
from processing.tasks.models import Task

_PATIENCE = 30.0  # seconds, waiting for a turn at recognition included


@dataclass(frozen=True, slots=True)
class MarkedPage:
    """`png` is the page; `citations` are those of the answer that are on it, each with its rectangles: left, top, right
    and bottom as shares (0.0–1.0) of the page's width and height."""

    png: bytes
    citations: tuple[tuple[dict[str, Any], tuple[Rectangle, ...]], ...]


def page_view(task: Task, number: int, side: int, parameters: Parameters) -> MarkedPage:
    """Page `number` (1 …), no side over `side` pixels.

    Raises `DocumentFailed` (`document_gone`, `document_encrypted`: its password is not kept), `NotFound`
    (`no_such_page`, `no_page_picture`), `DeadlineExceeded`.
    """
    if task.document is None:
        raise DocumentFailed("The document of this task has been deleted.", "document_gone")
    cited = [each for each in (task.result or {}).get("citations", ()) if each["page"] == number]
    with read.opened(task.document) as file:
        picture = sandbox.page_picture(
            file,
            registry.named(task.document.format),
            ShownPage(number, tuple(each["text"] for each in cited)),
            ReadOptions(image_max_side=side, password=secrets.decrypt(task.document_secret) or None),
            deadline=time.monotonic() + _PATIENCE,
            recognition=recognition.slots(parameters),
        )
    return MarkedPage(picture.png, tuple(zip(cited, picture.rectangles, strict=False)))
