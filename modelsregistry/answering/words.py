"""Words as the search sees them: folded, stemmed, without stop words, alike for questions and documents."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_COMBINING = range(0x0300, 0x0370)
_LETTERS = dict(zip("łøđßæœı’‘−–", "lodsaoi''--", strict=True))


class _FoldTable(dict[int, str]):
    """A translation table that fills itself: each character becomes exactly one, so offsets stay true."""

    def __missing__(self, code: int) -> str:
        lower = chr(code).lower()
        base = unicodedata.normalize("NFKD", lower)[:1] or lower
        folded = _LETTERS.get(base, base)[:1]
        if ord(base) in _COMBINING:
            folded = "'"
        self[code] = folded
        return folded


_fold_table = _FoldTable()


def fold(text: str) -> str:
    """Lower case without accents; the result has as many characters as `text`."""
    return text.lower() if text.isascii() else text.translate(_fold_table)


_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"\d+(?:[.,]\d+)+|[{_CJK}]|[^\W_{_CJK}]+")


def tokens(text: str) -> list[str]:
    """Every word and number of `text`, folded."""
    return _TOKEN.findall(fold(text))


def terms(text: str) -> list[str]:
    """The words that carry meaning, stemmed, in order, with repetitions."""
    return [stem(word) for word in tokens(text) if word not in STOP_WORDS]


_SUFFIXES = (
    "isations", "izations", "isation", "ization", "ations", "ation", "ements", "ement", "ically", "ingly",
    "ions", "ion", "ings", "ing", "ness", "ally", "edly", "ally", "ers", "ies", "ied", "ed", "er", "es", "ly",
    "en", "al", "s", "y", "e",
)  # fmt: skip


def _stripped(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """`word` without the inflections of the common European kinds; at least four letters remain.

    Light on purpose: it has to bring `cancellation`, `cancelled` and `cancel` together, not to be right for a linguist.
    """
    if len(word) < 4 or not word.isalpha():
        return word
    for _ in range(2):
        word = _stripped(word)
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeos":
        word = word[:-1]
    return word


_STOP = """
a an the this that these those of in on at to from for by with without into about as is are was were be been being am
do does did done has have had having can could may might shall should will would must and or but not no nor so if then
than there here it its itself he him his she her they them their we us our you your i me my mine who whom whose which
what when where why how all any each some such only own same other both very just also too
der die das den dem des ein eine einer eines einem einen und oder ist sind war waren von vom zu zum zur im am auf mit
fur bei nach aus wie was wer wann wo warum welche welcher welches es sich nicht
le la les un une du de des et ou est sont dans sur pour par avec que qui quoi quel quelle quels quelles quand comment
au aux ce cette ces il elle en ne pas se sa son ses
het een en of van voor met op te aan bij uit dat die is zijn wat wie waar welke hoe wanneer
el los las una unos unas y o es son del al por para con que cual cuales cuando donde quien como su se en
il lo gli uno ed di da nel nella per con che chi cosa quale quali quando dove come e
os as um uma do da dos das no na em
"""
_ASKING = """
please tell give show find extract list name state identify provide mention mentioned mentions document documents file
pdf paper text according say says said written answer question explain describe described know want need exactly
s t d ll ve re m much many long lang hoch は が を に で の と も か す ど こ 吗 呢 的 是 什 么
"""
STOP_WORDS = frozenset(f"{_STOP} {_ASKING}".split())
