"""What a model thinks aloud before it answers, where its server leaves that in the text: `<think>…</think>` at the very
beginning, as DeepSeek-R1, Qwen3 and their kin write it. Servers with a reasoning parser keep it apart by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

_OPEN, _CLOSE = "<think>", "</think>"


class _Part(Enum):
    """How far the answer is."""

    BEGINNING = auto()
    THOUGHTS = auto()
    GAP = auto()
    ANSWER = auto()


@dataclass(slots=True)
class Thoughts:
    """Takes them out of an answer that comes piece by piece, cut anywhere. Later on, the words are the answer's own."""

    _part: _Part = _Part.BEGINNING
    _held: str = ""  # what has come and cannot be told yet

    def without(self, piece: str) -> str:
        """What of the answer is known after this piece and was not before."""
        if self._part is _Part.ANSWER:
            return piece
        self._held += piece
        if self._part is _Part.BEGINNING:
            self._look_for_thoughts()
        if self._part is _Part.THOUGHTS:
            self._look_for_their_end()
        if self._part is _Part.GAP and (answer := self._held.lstrip()):
            self._part, self._held = _Part.ANSWER, answer
        return self.rest() if self._part is _Part.ANSWER else ""

    def rest(self) -> str:
        """What was held back and is the answer's, as nothing follows."""
        held, self._held = self._held, ""
        return held if self._part in (_Part.BEGINNING, _Part.ANSWER) else ""

    def _look_for_thoughts(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._part, self._held = _Part.THOUGHTS, begun.removeprefix(_OPEN)
        elif not _OPEN.startswith(begun):
            self._part = _Part.ANSWER

    def _look_for_their_end(self) -> None:
        _, end, answer = self._held.partition(_CLOSE)
        if end:
            self._part, self._held = _Part.GAP, answer
        else:
            self._held = self._held[1 - len(_CLOSE) :]  # of thoughts, only what may be half an end
