"""Plain text."""

from __future__ import annotations

from typing import ClassVar

from processing.documents.plaintext import PlainText


class Text(PlainText):
    """Text in any encoding that can be told."""

    name: ClassVar[str] = "txt"
    extensions: ClassVar[tuple[str, ...]] = ("txt", "text")
    media_type: ClassVar[str] = "text/plain"


FORMAT = Text()
