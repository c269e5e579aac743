"""Reading the document of a task: page by page out of the sandbox, with progress after each page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from modelsregistry.contract import PageImage, SourcePage
from processing.documents import registry, sandbox, store
from processing.documents.contract import Page, ReadOptions
from processing.documents.limits import MIB
from processing.documents.models import StoredDocument
from processing.documents.recognition_slots import RecognitionSlots
from processing.errors import DocumentFailed

# All pages go into one question, which is held five times over while it is encoded and sent.
MAX_PICTURE_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document, or the wanted pages of it, that was read; `page_count` is that of the whole. `methods` counts pages
    by where their text came from; `peak_mb` is the reader's."""

    pages: tuple[SourcePage, ...]
    page_count: int
    methods: dict[str, int]
    peak_mb: float | None


def read(
    document: StoredDocument,
    options: ReadOptions,
    deadline: float,
    on_page: Callable[[int, int | None], None],
    recognition: RecognitionSlots | None = None,
) -> ReadDocument:
    """Read the whole document; `on_page(number, of)` is called before each page, `of` being None when unknown.

    Where text must be recognised, that waits for one of the slots of `recognition`. Raises `DocumentFailed`
    (`document_gone`; `too_many_pictures` for more than `MAX_PICTURE_BYTES`) or `DeadlineExceeded`.
    """
    pages: list[SourcePage] = []
    pictured = 0
    methods: dict[str, int] = {}
    with (
        opened(document) as file,
        sandbox.reading(
            file, registry.named(document.format), options, deadline=deadline, recognition=recognition
        ) as reading,
    ):
        on_page(1, reading.page_count)
        for page in reading:
            pictured += len(page.image or b"")
            if pictured > MAX_PICTURE_BYTES:
                raise DocumentFailed(
                    "The pictures of the pages are more than one question can carry. Send fewer pages, or set "
                    "vision_mode to force_text.",
                    "too_many_pictures",
                )
            pages.append(_source_page(page))
            methods[page.method] = methods.get(page.method, 0) + 1
            if reading.page_count is None or page.number < reading.page_count:
                on_page(page.number + 1, reading.page_count)
        page_count = reading.page_count
    if options.only is not None and not pages:
        raise DocumentFailed("The document has none of the pages that were to be read.", "invalid_pages")
    return ReadDocument(tuple(pages), page_count or len(pages), methods, reading.peak_mb)


def opened(document: StoredDocument) -> BinaryIO:
    """The document's bytes. Raises `DocumentFailed` (`document_gone`)."""
    try:
        return store.opened(document)
    except FileNotFoundError as error:
        raise DocumentFailed("The document of this task has been deleted.", "document_gone") from error


def _source_page(page: Page) -> SourcePage:
    image = PageImage(page.image, page.image_type or "image/jpeg") if page.image is not None else None
    return SourcePage(page.number, page.text, image)
