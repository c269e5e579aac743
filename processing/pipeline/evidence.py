"""What an answer rests on: passages that stand verbatim on a page of the document, and nothing else.

A model that names its passages is checked; for one that does not, the passages are looked for: lines of the document
that hold the figures and names of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from modelsregistry.contract import GenerationResult, Passage, SourcePage

MAX_CITATIONS = 10
_TELLING = re.compile(r"\d[\d.,:/-]*\d|\d|\b\w[\w'-]{3,}\b")
_LEAST_SHARE = 0.5  # of the telling words of a line that the answer must hold
_SPACE = re.compile(r"\s+")


def citations(answer: GenerationResult, pages: Iterable[SourcePage]) -> list[dict[str, Any]]:
    """The evidence for the answer as the API shows it: `page`, `text`, `score` (0.0–1.0), best first."""
    by_number = {page.number: page for page in pages}
    if answer.passages is None:
        found = _looked_for(answer.text, by_number.values())
    else:
        found = [p for p in answer.passages if p.page in by_number and stands_on(p.text, by_number[p.page].text)]
    return [{"page": p.page, "text": p.text, "score": round(p.score, 3)} for p in found[:MAX_CITATIONS]]


def stands_on(passage: str, page_text: str) -> bool:
    """Whether the passage is on the page word for word, white space aside."""
    wanted = _flat(passage)
    return bool(wanted) and wanted in _flat(page_text)


def _looked_for(answer: str, pages: Iterable[SourcePage]) -> list[Passage]:
    """Lines that share most of their telling words with the answer, figures counting twice."""
    said = set(_TELLING.findall(answer.lower()))
    if not said:
        return []
    passages: list[Passage] = []
    for page in pages:
        for line in page.text.splitlines():
            words = set(_TELLING.findall(line.lower()))
            shared = words & said
            if len(shared) < 2 and not any(word[0].isdigit() and len(word) > 2 for word in shared):
                continue
            weight = sum(2 if word[0].isdigit() else 1 for word in shared)
            whole = sum(2 if word[0].isdigit() else 1 for word in words)
            if weight / whole >= _LEAST_SHARE:
                passages.append(Passage(page.number, line.strip(), weight / whole * min(1.0, weight / 4)))
    return sorted(passages, key=lambda passage: -passage.score)[:MAX_CITATIONS]


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
