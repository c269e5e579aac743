"""Markdown text."""

from __future__ import annotations

from typing import ClassVar

from processing.documents.plaintext import PlainText


class Markdown(PlainText):
    """Markdown, kept as it is written."""

    name: ClassVar[str] = "md"
    extensions: ClassVar[tuple[str, ...]] = ("md", "markdown")
    media_type: ClassVar[str] = "text/markdown"


FORMAT = Markdown()
