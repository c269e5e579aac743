"""Which pieces of a document a question is about: ranked by BM25, each with its neighbours as far as there is room."""

from __future__ import annotations

from collections.abc import Sequence

from modelsregistry.answering.words import terms
from processing.pipeline.chunks import Chunk


def ranked(chunks: Sequence[Chunk], question: str) -> list[int]:
    """The indexes of the pieces that share a word with the question, best first (BM25 as Lucene computes it)."""
    words = [terms(chunk.text) for chunk in chunks]
    known = {word for of_chunk in words for word in of_chunk}
    wanted = [word for word in terms(question) if word in known]
    if not wanted:
        return []
    import bm25s  # With numpy 0.3 s: not for workers that never rank.

    scorer = bm25s.BM25(method="lucene")
    scorer.index(words, show_progress=False)
    scores = scorer.get_scores(wanted)
    order = sorted(range(len(chunks)), key=lambda index: (-float(scores[index]), index))
    return [index for index in order if scores[index] > 0]


def chosen(chunks: Sequence[Chunk], question: str, most: int, room: int) -> tuple[list[int], bool]:
    """The indexes of at most `most` pieces and their neighbours that together have at most `room` characters, in
    reading order; and whether the question found them. Where it shares no word with the document, the document's
    beginning stands in. The best piece is chosen even where it alone is longer than `room`."""
    best = ranked(chunks, question)
    found = bool(best)
    wanted = best[:most] if found else list(range(min(most, len(chunks))))
    kept: set[int] = set()
    left = room
    neighbours = [near for index in wanted for near in (index + 1, index - 1)] if found else []
    for index in [*wanted, *neighbours]:
        if index in kept or not 0 <= index < len(chunks):
            continue
        if len(chunks[index].text) <= left or not kept:
            kept.add(index)
            left -= len(chunks[index].text)
    return sorted(kept), found
