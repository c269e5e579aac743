"""How much of a document goes into a question: all of it, the passages that fit the question, or all of it in parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from modelsregistry.answering import questions
from modelsregistry.contract import SourcePage
from modelsregistry.registry import ModelEntry
from processing.errors import DocumentFailed
from processing.pipeline import chunks, page_ranges, retrieval
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters

Way = Literal["whole", "passages", "parts"]

# A cautious guess that holds for prose of every language and, but for the worst, for tables: a token has three bytes of
# UTF-8 or more. An image of 1568 pixels costs this much where it costs the most (docs.claude.com, "Image costs").
_BYTES_PER_TOKEN = 3
_TOKENS_PER_IMAGE = 2500
_TOKENS_OF_FRAME = 700  # what the model is told beside the document and the question
_LEAST_TOKENS = 256  # with less room than that for the document no question makes sense
_MOST_PASSAGES = 50_000  # that are ranked at once; of a longer text they are larger than asked for
_PAUSE = "\n\n[…]\n\n"


@dataclass(frozen=True, slots=True)
class Extent:
    """What a model is given: for each question that is asked the pages it holds; `parts` has several of them.

    `told` is what `processing_metadata.context` says of it.
    """

    way: Way
    parts: tuple[tuple[SourcePage, ...], ...]
    told: dict[str, Any]


def room_for(model: ModelEntry, question: str, options: RequestOptions, parameters: Parameters) -> float:
    """Tokens of the document that fit into one question beside the answer; infinite for a model that reads any length.

    Raises `DocumentFailed` (`context_too_small`) where the prompt and the answer leave no room.
    """
    if model.reads_any_length:
        return math.inf
    window = model.context_length or parameters.assumed_context_length
    answer = min(options.max_tokens or parameters.max_tokens, window // 2)
    room = window - answer - tokens_of(question) - _TOKENS_OF_FRAME
    if room < _LEAST_TOKENS:
        raise DocumentFailed(
            f"The model {model.id} reads {window} tokens, which leave no room for the document. Ask for a shorter "
            "answer (max_tokens), or choose another model.",
            "context_too_small",
        )
    return room


def plan(
    pages: Sequence[SourcePage], question: str, options: RequestOptions, parameters: Parameters, room: float
) -> Extent:
    """What fits goes whole. What does not is cut down to ranked passages, or asked about part by part where the caller
    (`rag_full_context`, `bypass_embedding_and_retrieval`) or the question, a summary, wants all of it. Passages it is,
    too, where the caller sets `top_k` or `rag_full_context=false`.

    Raises `DocumentFailed` (`document_too_long`) for more parts than `max_parts`.
    """
    wants_all = _wants_all(question, options)
    asked_for_passages = wants_all is False
    if not asked_for_passages and cost(pages) <= room:
        return Extent("whole", (tuple(pages),), _told("whole", pages, pages))
    if wants_all:
        return _in_parts(pages, parameters, room)
    return _passages(pages, question, options, parameters, room)


def _wants_all(question: str, options: RequestOptions) -> bool | None:
    """True and False where somebody said so; None where nobody did."""
    if options.rag_full_context or options.bypass_embedding_and_retrieval:
        return True
    if options.rag_full_context is False or options.top_k is not None:
        return False
    kinds = {part.type for part in questions.parse(question)}
    return True if kinds & {questions.Type.SUMMARY, questions.Type.READING} else None


def _in_parts(pages: Sequence[SourcePage], parameters: Parameters, room: float) -> Extent:
    parts = shares(pages, room)
    if len(parts) > parameters.max_parts:
        raise DocumentFailed(
            f"The document would have to be read in {len(parts)} parts, and {parameters.max_parts} are allowed. Name "
            "the pages that matter (pages), let passages be chosen (rag_full_context=false), or choose a model with a "
            "longer context.",
            "document_too_long",
        )
    way: Way = "parts" if len(parts) > 1 else "whole"
    return Extent(way, parts, {**_told(way, pages, pages), "parts": len(parts)})


def shares(pages: Sequence[SourcePage], room: float) -> tuple[tuple[SourcePage, ...], ...]:
    """The pages in groups that fit into `room` tokens each; a page that alone is too long comes in pieces of itself."""
    return tuple(_shares(pages, room))


def _shares(pages: Sequence[SourcePage], room: float) -> Iterator[tuple[SourcePage, ...]]:
    group: list[SourcePage] = []
    spent = 0.0
    for piece in (piece for page in pages for piece in _fitting(page, room)):
        price = cost([piece])
        if group and spent + price > room:
            yield tuple(group)
            group, spent = [], 0.0
        group.append(piece)
        spent += price
    if group:
        yield tuple(group)


def _fitting(page: SourcePage, room: float) -> Iterator[SourcePage]:
    if cost([page]) <= room:
        yield page
        return
    pictured = replace(page, text="")
    if page.image is not None and cost([pictured]) <= room:
        yield pictured
    limit = _characters(page.text, room)
    for chunk in chunks.chunks([page], limit, 0):
        for start in range(0, len(chunk.text), limit):  # A table longer than the model's context is cut after all.
            yield SourcePage(page.number, chunk.text[start : start + limit])


def _passages(
    pages: Sequence[SourcePage], question: str, options: RequestOptions, parameters: Parameters, room: float
) -> Extent:
    length = sum(len(page.text) for page in pages)
    size = max(options.chunk_size or parameters.chunk_size, length // _MOST_PASSAGES)
    overlap = parameters.chunk_overlap if options.chunk_overlap is None else options.chunk_overlap
    pieces = chunks.chunks(pages, size, overlap)
    if not pieces:  # Pictures alone: there is nothing to rank, so as many as fit from the front.
        kept = next(_shares(pages, room), ())
        return Extent("passages", (kept,), {**_told("passages", pages, kept), "passages": 0, "matched": False})
    limit = _characters("".join(piece.text for piece in pieces), room)
    indexes, matched = retrieval.chosen(pieces, question, options.top_k or parameters.top_k, limit)
    kept = tuple(_put_together(pages, pieces, indexes, room))
    told = {**_told("passages", pages, kept), "passages": len(indexes), "matched": matched}
    return Extent("passages", (kept,), told)


def _put_together(
    pages: Sequence[SourcePage], pieces: Sequence[chunks.Chunk], indexes: Sequence[int], room: float
) -> Iterator[SourcePage]:
    """The chosen pieces by page, with a mark where something is left out; the page's picture while there is room."""
    by_page: dict[int, list[int]] = {}
    for index in indexes:
        by_page.setdefault(pieces[index].page, []).append(index)
    left = room - tokens_of("".join(pieces[index].text for index in indexes))
    for page in pages:
        if page.number not in by_page:
            continue
        text, before = "", None
        for index in by_page[page.number]:
            text += ("" if before is None else "\n\n" if before == index - 1 else _PAUSE) + pieces[index].text
            before = index
        image = page.image if left >= _TOKENS_PER_IMAGE else None
        left -= _TOKENS_PER_IMAGE if image else 0
        yield SourcePage(page.number, text[: _characters(text, room)], image)


def _told(way: Way, pages: Sequence[SourcePage], given: Sequence[SourcePage]) -> dict[str, Any]:
    numbers = {page.number for page in given}
    return {
        "way": way,
        "pages_given": page_ranges.shown(numbers),
        "pages_left_out": page_ranges.shown({page.number for page in pages} - numbers),
        "characters_read": sum(len(page.text) for page in pages),
        "characters_given": sum(len(page.text) for page in given),
    }


def cost(pages: Sequence[SourcePage]) -> int:
    """Tokens that the pages may take, guessed high."""
    return sum(tokens_of(page.text) + (_TOKENS_PER_IMAGE if page.image else 0) + 8 for page in pages)


def tokens_of(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def _characters(text: str, room: float) -> int:
    """How many characters of such a text fit into `room` tokens."""
    if math.isinf(room):
        return max(1, len(text))
    width = len(text.encode("utf-8", "replace")) / max(1, len(text))
    return max(1, int(room * _BYTES_PER_TOKEN / max(1.0, width)))
