"""Reading without asking: what a task comes to whose caller wants the document's text and no answer."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict, Field

from modelsregistry.contract import SourcePage
from processing.documents.limits import MIB
from processing.errors import DocumentFailed
from processing.pipeline.read import ReadDocument

MODEL = "reading"
"""Stands where a task names its model: none is asked."""
PROMPT = "Read the document."
MAX_PAGE_BREAK = 200  # characters
MAX_TEXT = 32 * MIB  # characters of a whole document, which are kept on the task's row
# Characters of which HTML and plain text are made: Markdown takes 400 times its size in memory while it is parsed.
MAX_RENDERED = MIB


class Conversion(BaseModel):
    """How a document is converted, kept with the task's options.

    `formats` are those that were asked for, in the words of docling-serve; `page_break` stands between two pages;
    `others` are the ids of the tasks that were submitted together with this one, which speaks for all of them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    formats: tuple[str, ...] = ("md",)
    ocr: bool = True
    page_break: str | None = Field(default=None, max_length=MAX_PAGE_BREAK)
    target: Literal["inbody", "zip"] = "inbody"
    others: tuple[str, ...] = ()


def converted(document: ReadDocument, conversion: Conversion) -> tuple[str, dict[str, Any]]:
    """The text of the whole as Markdown, and what else is kept of it: `pages` tells where in the text each page is
    (`page`, `start`, `end`); `html` and `text` are there if they were asked for and the text is not longer than
    `MAX_RENDERED`.

    Raises `DocumentFailed` (`no_text`, `too_much_text`).
    """
    pages = document.pages
    if not any(page.text.strip() for page in pages):
        raise DocumentFailed("No extractable text was found in the document.", "no_text")
    length = sum(len(page.text) for page in pages)
    if length > MAX_TEXT:
        raise DocumentFailed("The document has more text than one reply can carry. Name fewer pages.", "too_much_text")
    content, places = _joined(pages, conversion.page_break)
    made = [name for name in _MAKERS if name in conversion.formats and length <= MAX_RENDERED]
    return content, {"pages": places, **{name: _MAKERS[name](pages) for name in made}}


def _joined(pages: Sequence[SourcePage], page_break: str | None) -> tuple[str, list[dict[str, int]]]:
    between = f"\n\n{page_break}\n\n" if page_break else "\n\n"
    pieces: list[str] = []
    places: list[dict[str, int]] = []
    at = 0
    for page in pages:
        if pieces:
            pieces.append(between)
            at += len(between)
        pieces.append(page.text)
        places.append({"page": page.number, "start": at, "end": at + len(page.text)})
        at += len(page.text)
    return "".join(pieces), places


def _markdown() -> MarkdownIt:
    """Markup that stands in a document is shown and not obeyed, and no link leads to a script."""
    return MarkdownIt("js-default")


def _as_html(pages: Iterable[SourcePage]) -> str:
    markdown = _markdown()
    body = "".join(f'<section data-page="{page.number}">\n{markdown.render(page.text)}</section>\n' for page in pages)
    return f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{body}</body>\n</html>\n'


def _as_text(pages: Iterable[SourcePage]) -> str:
    markdown = _markdown()
    return "\n\n".join("".join(_plain(markdown.parse(page.text))).strip() for page in pages)


def _plain(tokens: Iterable[Token]) -> Iterator[str]:
    """The words alone: a cell of a table ends with a tab, a row or a paragraph with its line."""
    for token in tokens:
        if token.children is not None:
            yield from _plain(token.children)
        elif token.type in ("td_close", "th_close"):
            yield "\t"
        elif token.type in ("softbreak", "hardbreak", "tr_close", "paragraph_close", "heading_close"):
            yield "\n"
        elif token.type in ("text", "code_inline", "code_block", "fence", "html_block", "html_inline"):
            yield html.unescape(token.content) if token.type == "text" else token.content


# Of the formats, those that take so long that a worker makes them.
_MAKERS = {"html": _as_html, "text": _as_text}
