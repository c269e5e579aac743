"""The most central sentences of a document: LexRank (Erkan and Radev, 2004) over tf-idf similarity, bounded in size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .layout import Kind, Unit
from .passages import Index

MOST_COMPARED = 400
_DAMPING = 0.85
_ROUNDS = 30
_ALIKE = 0.55
_LEAD = 0.3
"""What a document says first it says for orientation: the first sentence weighs this much more than the last."""


def central(index: Index, count: int) -> list[tuple[int, float]]:
    """Up to `count` units with their centrality (1.0 for the most central), in reading order, none like another.

    Long documents are first thinned to `MOST_COMPARED` sentences by their likeness to the whole, so that the time
    stays linear in the document.
    """
    import numpy as np

    positions = [position for position, unit in enumerate(index.units) if tells(unit)]
    if not positions:
        return []
    vectors = [_vector(index, position) for position in positions]
    if len(positions) > MOST_COMPARED:
        positions, vectors = _thinned(positions, vectors)
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(word for row in vectors for word in row))}
    matrix = np.zeros((len(vectors), max(len(vocabulary), 1)), dtype=np.float32)
    for row, vector in enumerate(vectors):
        for word, weight in vector.items():
            matrix[row, vocabulary[word]] = weight
    similarity = matrix @ matrix.T
    rank = _centrality(similarity)
    chosen = _unlike(rank, similarity, count)
    top = float(rank.max())
    return [(positions[row], float(rank[row]) / top) for row in sorted(chosen)]


def _centrality(similarity: Any) -> Any:
    import numpy as np

    count = len(similarity)
    flow = similarity / np.maximum(similarity.sum(axis=1, keepdims=True), 1e-6)
    rank = np.full(count, 1.0 / count, dtype=np.float32)
    for _ in range(_ROUNDS):
        rank = (1 - _DAMPING) / count + _DAMPING * (flow.T @ rank)
    lead = 1.0 + _LEAD * (1.0 - np.arange(count, dtype=np.float32) / count)
    return rank * lead


def _unlike(rank: Any, similarity: Any, count: int) -> list[int]:
    """The best rows, leaving out what repeats a better one."""
    chosen: list[int] = []
    for row in sorted(range(len(rank)), key=lambda row: -rank[row]):
        if len(chosen) == count:
            break
        if all(similarity[row, other] < _ALIKE for other in chosen):
            chosen.append(row)
    return chosen


_NOT_PROSE = re.compile(r"(?:\.\s?){4,}|\w_\w|[{};=]|(?:\(\)|::)|https?://|^[-–—]{2,}")


def tells(unit: Unit) -> bool:
    """Whether a unit is a sentence that can stand alone: not a row, a heading, an address or a line of figures."""
    if unit.kind not in (Kind.SENTENCE, Kind.ITEM):
        return False
    text = unit.text
    words = re.findall(r"[^\W\d_]{2,}", text)
    letters = sum(len(word) for word in words)
    spread = 6 <= len(words) <= 80 or (len(words) >= 1 and letters >= 20 and not text.isascii())
    if _NOT_PROSE.search(text) or sum(word.isupper() for word in words) * 2 > len(words):
        return False
    return spread and letters > 0.6 * len(text.replace(" ", ""))


def _vector(index: Index, position: int) -> dict[str, float]:
    weights: dict[str, float] = {}
    for word in index.words[position]:
        weights[word] = weights.get(word, 0.0) + index.weight(word)
    length = sum(weight * weight for weight in weights.values()) ** 0.5 or 1.0
    return {word: weight / length for word, weight in weights.items()}


def _thinned(positions: Sequence[int], vectors: Sequence[dict[str, float]]) -> tuple[list[int], list[dict[str, float]]]:
    centre: dict[str, float] = {}
    for vector in vectors:
        for word, weight in vector.items():
            centre[word] = centre.get(word, 0.0) + weight
    closeness = [sum(weight * centre[word] for word, weight in vector.items()) for vector in vectors]
    kept = sorted(sorted(range(len(positions)), key=lambda row: -closeness[row])[:MOST_COMPARED])
    return [positions[row] for row in kept], [vectors[row] for row in kept]
