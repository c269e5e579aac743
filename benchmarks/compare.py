"""Compares an answer with a true value the way a person would: numbers, days and names, however they are written."""

from __future__ import annotations

import re
from decimal import Decimal


def same_number(answer: str, truth: str) -> bool:
    """Exactly one number in the answer, and it is the true one, however either is written."""
    return _numbers(answer) == {as_number(re.sub(r"[^\d.,]", "", truth))}


def holds_number(text: str, truth: str) -> bool:
    """The true number is among those of the text, whatever else stands there."""
    return as_number(re.sub(r"[^\d.,]", "", truth)) in _numbers(text) | _numbers(text.replace(" ", "|"))


def _numbers(text: str) -> set[Decimal]:
    return {number for number in map(as_number, re.findall(r"[.,]?\d[\d.,'\s]*\d|\d", text)) if number is not None}


def as_number(text: str) -> Decimal | None:
    """`1,234.56`, `1.234,56` and `1234.56` are one number; a mark before exactly two last digits is the decimal one."""
    digits = re.sub(r"[^\d]", "", text)
    decimals = re.search(r"[.,](\d{1,2})\s*$", text)
    return Decimal(digits) / (10 ** len(decimals[1]) if decimals else 1) if digits else None


_MONTHS = (
    "jan",
    "feb|fev",
    "mar|maa|mär",
    "apr|avr",
    "may|mai|mei",
    "jun|juin",
    "jul|juil",
    "aug|aou|aoû",
    "sep",
    "oct|okt",
    "nov",
    "dec|dez|déc",
)


def same_date(answer: str, truth: str) -> bool:
    """The same day, read day first or month first."""
    return bool(days(answer) & days(truth))


def holds_date(text: str, truth: str) -> bool:
    """The true day is written somewhere in the text; the time may be written right behind it."""
    words = re.findall(r"\d+", _with_months_as_numbers(text))
    whole = re.findall(r"\d{1,2}\D\d{1,2}\D\d{4}|\d{4}\D\d{1,2}\D\d{1,2}", text)
    written = [*words, *whole, *(" ".join(words[place : place + 3]) for place in range(len(words) - 2))]
    return any(days(each) & days(truth) for each in written)


def days(text: str) -> set[tuple[int, ...]]:
    """Every (year, month, day) that `text` may mean."""
    parts = [int(part) for part in re.findall(r"\d+", _with_months_as_numbers(text))]
    if len(parts) == 1:
        packed = str(parts[0]).zfill(8)
        parts = [int(packed[:2]), int(packed[2:4]), int(packed[4:])]
    if len(parts) < 3:
        return set()
    first, second, third = parts[:3]
    orders = [(first, second, third)] if first > 31 else [(third, second, first), (third, first, second)]
    return {(year + 2000 if year < 100 else year, month, day) for year, month, day in orders}


def _with_months_as_numbers(text: str) -> str:
    text = text.lower()
    for number, names in enumerate(_MONTHS, start=1):
        text = re.sub(rf"(?<![a-z])(?:{names})\w*", f" {number} ", text)
    return text


def same_name(answer: str, truth: str) -> bool:
    """One name holds the other, punctuation and case apart."""
    given, wanted = plain(answer), plain(truth)
    return bool(given) and (given in wanted or wanted in given)


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
