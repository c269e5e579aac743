"""Values as they stand in a line of text: amounts, dates, identifiers, percentages, addresses of mail and web."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from .words import fold


@dataclass(frozen=True, slots=True)
class Value:
    """`line[start:end]` is the value as written; `number` is its size, if any; `sure` when its form alone tells."""

    start: int
    end: int
    number: Decimal | None = None
    sure: bool = True


_CURRENCY = (
    r"(?:US\$|S\$|A\$|C\$|R\$|HK\$|NZ\$|RM|Rs\.?|Rp\.?|zł|Kč|Ft|kr\.?|[$€£¥₹₩₽฿₫₺₴]|"
    r"MYR|USD|EUR|GBP|CHF|INR|PLN|CAD|AUD|SGD|JPY|CNY|SEK|NOK|DKK|CZK|HUF|RON|BRL|MXN|ZAR|HKD|NZD|THB|IDR|PHP|"
    r"AED|TRY|MAD|DH)"
)
_NUMBER = (
    r"(?:\d{1,3}(?:[.,'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d{1,3}(?: \d{3})+,\d{2}|"
    r"\d+[.,]\d{1,3}|\d+|[.,]\d{2})"
)
_AMOUNT = re.compile(
    rf"(?<![\w.,/#-])(?:(?P<before>{_CURRENCY})[ \t:]{{0,3}})?(?P<sign>[-+\u2212]\s?)?"
    rf"(?<![\d/])(?<!\d[.,:-])(?P<number>{_NUMBER})"
    rf"(?P<scale>\s?(?:million|billion|trillion|thousand|bn|mn|Mio|Mrd|Millionen|Milliarden|millions|milliards|crore|lakh)\b\.?)?"
    rf"(?![\d%]|[.,/:-]\d|\s?%|-?[a-z])(?:[ \t]{{0,2}}(?P<after>{_CURRENCY})(?![\w]))?"
)

_LONGEST_COUNT = 7


def amounts(line: str) -> list[Value]:
    """Sums of money: a number with a currency or with two decimals is `sure`; a bare whole number is not."""
    taken = [(date.start, date.end) for date in dates(line)]
    found = []
    for match in _AMOUNT.finditer(line):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        number = parse_number(match["number"])
        if match["sign"] and "+" not in match["sign"]:
            number = -number
        money = bool(match["before"] or match["after"])
        cents = re.search(r"[.,]\d{2}$", match["number"]) is not None
        if money or cents or len(match["number"]) <= _LONGEST_COUNT:
            found.append(Value(match.start(), match.end(), number, sure=money or cents))
    return found


def parse_number(text: str) -> Decimal:
    """The number behind `1,234.56`, `1.234,56`, `1 234,56` or `.50`; of two kinds of mark the last is decimal."""
    text = re.sub(r"[\s'\u2019\u00a0\u202f]", "", text)
    marks = re.findall(r"[.,]", text)
    if not marks:
        return Decimal(text)
    last = marks[-1]
    whole, _, rest = text.rpartition(last)
    grouping = len(set(marks)) == 1 and (len(marks) > 1 or (len(rest) == 3 and whole not in ("", "0")))
    digits = re.sub(r"[.,]", "", whole)
    return Decimal(digits + rest) if grouping else Decimal(f"{digits or '0'}.{rest}")


_MONTH_NAMES = """
january january jan januar janvier janv januari enero ene gennaio gen janeiro stycznia styczen
february feb februar fevrier fevr fev februari febrero febbraio fevereiro lutego luty
march mar marz maerz mars maart mrt marzo marco marca marzec
april apr avril avr abril abr aprile kwietnia kwiecien
may mai mei mayo maggio mag maio maja maj
june jun juni juin junio giugno giu junho czerwca czerwiec
july jul juli juillet juil julio luglio lug julho lipca lipiec
august aug aout augustus agosto ago sierpnia sierpien
september sep sept septembre septiembre settembre set setembro wrzesnia wrzesien
october oct oktober okt octobre octubre ottobre ott outubro pazdziernika pazdziernik
november nov novembre noviembre novembro listopada listopad
december dec dezember dez decembre diciembre dic dicembre dezembro grudnia grudzien
"""
_MONTHS = {
    name: number for number, row in enumerate(_MONTH_NAMES.strip().splitlines(), start=1) for name in row.split()
}
_MONTH = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")"
_YEAR = r"(?:19|20)\d{2}"
_DATE_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?<![\d.,/-])(?P<y>{_YEAR})(?P<sep>[-/.])(?P<m>\d{{1,2}})(?P=sep)(?P<d>\d{{1,2}}?)(?=\D|\d{{1,2}}:\d|$)(?!\d:)",
        r"(?P<y>\d{4})\s?年\s?(?P<m>\d{1,2})\s?月\s?(?P<d>\d{1,2})\s?日",
        rf"(?<![\d.,/-])(?P<d>\d{{1,2}})\s?(?P<sep>[./~-])\s?(?P<m>\d{{1,2}})\s?(?:(?P=sep)|"
        rf"[~-])\s?(?P<y>{_YEAR}|\d{{2}})"
        r"(?=\D|\d{1,2}:|$)(?![./-]\d)",
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[\s,./-]{{0,2}}(?:of |de )?(?P<month>{_MONTH})\b\.?"
        rf"[\s,./'-]{{0,3}}(?:de )?(?P<y>{_YEAR}|\d{{2}})(?!\d)",
        rf"(?<!\d)(?P<d>\d{{1,2}})(?P<month>{_MONTH})(?P<y>{_YEAR}|\d{{2}})(?!\d)",
        rf"\b(?P<month>{_MONTH})\.?[\s-]{{0,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s?[,'\s-]\s?(?P<y>{_YEAR})(?!\d)",
    )
)
_VAGUE_FORMS = (
    re.compile(rf"\b(?P<month>{_MONTH})\.?,?[\s-]{{1,2}}(?P<y>{_YEAR})\b"),
    re.compile(r"(?<![\d.,/-])(?P<d>\d{2})(?P<m>\d{2})(?P<y>20\d{2})(?![\d/.-])"),
    re.compile(r"(?<![\d.,/-])(?P<y>20\d{2})(?P<m>\d{2})(?P<d>\d{2})(?![\d/.-])"),
)
_BARE_YEAR = re.compile(r"(?<![\w.,/-])(?:1[5-9]|20)\d{2}(?![\w%]|[.,/-]\d)")


def dates(line: str) -> list[Value]:
    """Days of the calendar in the forms of invoices and letters, day first or month first, in reading order."""
    return _valid_dates(line, _DATE_FORMS, sure=True)


def vague_dates(line: str) -> list[Value]:
    """What may be a date where nothing better stands: `May 2014`, `27032018`, a bare year."""
    found = _valid_dates(line, _VAGUE_FORMS, sure=False)
    return found or [Value(match.start(), match.end(), sure=False) for match in _BARE_YEAR.finditer(line)]


def _valid_dates(line: str, forms: tuple[re.Pattern[str], ...], *, sure: bool) -> list[Value]:
    if not any(character.isdigit() for character in line):
        return []
    folded = fold(line)
    found: list[Value] = []
    for form in forms:
        for match in form.finditer(folded):
            overlaps = any(value.start < match.end() and match.start() < value.end for value in found)
            if not overlaps and _is_day(match):
                found.append(Value(match.start(), match.end(), sure=sure))
    return sorted(found, key=lambda value: value.start)


def _is_day(match: re.Match[str]) -> bool:
    return _day(match) is not None


def day_of(written: str) -> dt.date | None:
    """The day that `written`, one of `dates`, names. Where the order of day and month is open, the day comes first, as
    in most countries, unless only the other order exists."""
    folded = fold(written)
    for form in _DATE_FORMS:
        match = form.search(folded)
        if match is not None and (day := _day(match)) is not None:
            return day
    return None


def _day(match: re.Match[str]) -> dt.date | None:
    parts = match.groupdict()
    year = int(parts["y"])
    year = year if year > 99 else 2000 + year
    month = _MONTHS[parts["month"]] if parts.get("month") else int(parts["m"])
    day = int(parts.get("d") or 1)
    for order in ((month, day), (day, month)):
        if _exists(year, *order):
            return dt.date(year, *order)
    return None


def _exists(year: int, month: int, day: int) -> bool:
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True


_IDENTIFIER = re.compile(
    r"(?<![\w@./-])(?:[A-Z]{1,4} )?(?=[\w./#-]*\d)\w[\w./-]*\w(?![\w@]|[.,]\d)|(?<![\w.,-])\d(?![\w.,-])"
)


def identifiers(line: str) -> list[Value]:
    """Numbers that name a thing: words with a digit in them that are neither a date nor a sum with decimals."""
    others = [*dates(line), *(value for value in amounts(line) if value.sure)]
    return [
        Value(match.start(), match.end())
        for match in _IDENTIFIER.finditer(line)
        if not any(other.start < match.end() and match.start() < other.end for other in others)
    ]


_PATTERNS = {
    "percent": re.compile(r"(?<![\w.,])[-+]?\d+(?:[.,]\d+)?\s?%"),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"),
    "website": re.compile(
        r"(?:https?://|www\.)[^\s<>()\"']+[\w/]|"
        r"(?<![\w@.])[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|eu|de|fr|nl|es|it|co\.uk)\b"
    ),
    "phone": re.compile(r"(?<![\w.,/-])(?:\+|\()?\d[\d\s()./-]{2,18}\d(?![\w%]|[.,]\d)"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9*]{2,5}){2,8}\b"),
    "count": re.compile(
        r"(?<![\w.,/-])\d+(?:[.,]\d+)*(?![\w%])|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
        re.IGNORECASE,
    ),
}  # fmt: skip


def of_kind(kind: str, line: str) -> list[Value]:
    """The values of `kind` in `line`: amount, date, identifier, percent, email, website, phone, iban or count."""
    if kind == "amount":
        return amounts(line)
    if kind == "date":
        return dates(line)
    if kind == "identifier":
        return identifiers(line)
    return list(_matches(kind, line))


def _matches(kind: str, line: str) -> Iterator[Value]:
    for match in _PATTERNS[kind].finditer(line):
        yield Value(match.start(), match.end())
