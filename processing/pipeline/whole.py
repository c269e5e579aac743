"""Sending a PDF as it is, to a model that reads it so: its pictures and its layout included."""

from __future__ import annotations

from modelsregistry.contract import Attachment
from modelsregistry.registry import ModelEntry
from processing.documents.limits import MIB
from processing.documents.models import StoredDocument
from processing.pipeline import read
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters

PDF = "application/pdf"
# What every provider takes that takes PDFs: Gemini's requests have 20 MB at most, encoded; Anthropic's models of the
# smaller windows 100 pages.
MAX_BYTES = 14 * MIB
MAX_PAGES = 100


def is_wanted(model: ModelEntry, document: StoredDocument, options: RequestOptions, parameters: Parameters) -> bool:
    """Whether the document goes whole, as nobody wants some pages or passages of it. Its text is read all the same, for
    the evidence."""
    allowed = parameters.enable_vision and options.vision_mode != "force_text"
    if options.pages is not None or options.top_k is not None or options.rag_full_context is False:
        return False
    fits = document.size <= MAX_BYTES and document.pages is not None and document.pages <= MAX_PAGES
    return model.native_pdf and allowed and document.media_type == PDF and fits


def attachment(document: StoredDocument) -> Attachment:
    """The document's bytes. Raises `DocumentFailed` (`document_gone`)."""
    with read.opened(document) as file:
        return Attachment(file.read(), PDF, document.filename)
