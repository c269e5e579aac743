"""Finds who a document comes from and whom it is for: labelled names first, else the head of the first page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .layout import Line
from .lexicon import phrases
from .values import amounts
from .words import fold

_SELLER_LABELS = phrases(
    "sold by|seller|vendor|supplier|issued by|issuer|service provider|merchant|verkaufer|lieferant|vendeur|fournisseur|"
    "verkoper|leverancier|vendedor|proveedor|fornitore|sprzedawca|from"
)
_BUYER_LABELS = phrases(
    "bill to(?: address)?|billed to|billing address|invoice to|customer(?: name)?|client|buyer|sold to|ship to|"
    "guest name|"
    "kunde|rechnungsempfanger|rechnungsadresse|kaufer|acheteur|facture a|klant|factuuradres|cliente|nabywca|attn|"
    "shipping address|delivery address|deliver to|lieferadresse|adresse de livraison|afleveradres"
)
_BUYER_ALONE = re.compile(rf"(?:{_BUYER_LABELS.pattern})\s*(?:[:：]|$)")
_REGISTERED = phrases(
    "registered office|registered address|corporate office|head office|siege social|sitz der gesellschaft|sede legale|"
    "domicilio social|sede social|maatschappelijke zetel|statutaire zetel|siedziba"
)
_SOLD_BY = re.compile(r"\b(?:sold|issued|provided|supplied) by (?=\w)")
LEGAL_FORMS = re.compile(
    r"(?<!\w)(?:sdn\.?\s?bhd|s/b|bhd|plt|ltd|limited|llc|llp|inc|corp|corporation|gmbh|ag|kg|ug|e\.k|b\.?v|n\.v|s\.?a|"
    r"s\.?a\.?s|s\.?a\.?r\.?l|s\.?r\.?l|s\.p\.a|spa|sp\.? z o\.?o|a\.s|oy|ab|pte|pvt|co\.|(?<=\w )company)(?!\w)"
)
_SHOP_WORDS = re.compile(
    r"(?<!\w)(?:enterprises?|trading|restaurants?|restoran|stores?|super ?market|mart|hotel|cafe|bakery|bakeries|"
    r"pharmacy|hardware|services|group|holdings?|industries|solutions|syarikat|kedai|perniagaan|boutique|studio|"
    r"shop)(?!\w)"
)
_NOT_A_NAME = re.compile(
    r"\b(?:tax invoice|invoice|receipt|receipi|bill|statement|rechnung|facture|factuur|factura|fattura|faktura|"
    r"page|date|tel|"
    r"telephone|phone|fax|gst|vat|reg|no|number|cashier|thank|welcome|order|table|total|amount|due|account|"
    r"address|copy|"
    r"original|duplicate|jalan|jln|street|road|avenue|lot|taman|site|www|http\w*|description|quantity|qty|item|price|"
    r"details|notes?|terms|payment|subtotal|dear|please|summary|ship to|bill to)\b"
)
_HEAD_LINES = 12
_BLOCK = 5
"""Lines that an address has at most."""
_MOST_LINES = 120
_ENOUGH = 1.5
_ENOUGH_IN_PROSE = 4.0
"""Without a sum of money on the page the first line is more likely a title than a shop."""
_MAIL_HOSTS = frozenset({"gmail", "googlemail", "hotmail", "outlook", "yahoo", "icloud", "mail", "example"})


def issuer(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    """The company that the document is from, as a span of a line."""
    return _labelled(_SELLER_LABELS, lines) or _from_head(lines)


def recipient(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    """The customer, only where a label says so."""
    return _labelled(_BUYER_LABELS, lines)


def _labelled(labels: re.Pattern[str], lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    for index, line in enumerate(lines[:400]):
        match = labels.match(line.folded.lstrip(" |*#_-"))
        if match is None:
            continue
        offset = len(line.text) - len(line.text.lstrip(" |*#_-")) + match.end()
        rest = re.match(r"[\s|*_]*:[\s:|*_]*", line.text[offset:])
        if rest is None:
            if not line.text[offset:].strip() and (found := _next_name(lines, index)):
                return found
            continue
        start, end = _trim(line.text, offset + rest.end())
        if start < end:
            return line, start, end
        if found := _next_name(lines, index):
            return found
    return None


def _next_name(lines: Sequence[Line], index: int) -> tuple[Line, int, int] | None:
    for line in lines[index + 1 : index + 3]:
        if not re.search(r"^\W*\(|:\s*$", line.text.strip()) and re.search(r"[^\W\d_]{2}", line.text):
            return line, *_trim(line.text, 0)
    return None


def _trim(text: str, start: int) -> tuple[int, int]:
    """The name proper: up to a wide gap, the next label or the end of a table cell."""
    stop = re.search(r"\s{2,}|\t|\||\s\S{1,20}:\s|,?\s*$", text[start:])
    end = start + stop.start() if stop else len(text)
    while start < end and text[start] in " *_#|":
        start += 1
    while end > start and text[end - 1] in " *_,;":
        end -= 1
    return start, end


def _from_head(lines: Sequence[Line]) -> tuple[Line, int, int] | None:
    """The likeliest name on the first page: near the top, with a legal form, echoed by a web or mail address, over the
    company's own registered office; not in the address of the customer."""
    if not lines:
        return None
    head = [line for line in lines if line.page is lines[0].page][:_MOST_LINES]
    domains = {name for line in head for name in _domains(line.text)}
    addressed = _addressed(head)
    ranked = [
        (_rank(line, place, domains) + _standing(head, place), -place, line)
        for place, line in enumerate(head)
        if place not in addressed
    ]
    if not ranked:
        return None
    best = max(ranked, key=lambda entry: entry[:2])
    sums = any(value.sure for line in head for value in amounts(line.text))
    if best[0] < (_ENOUGH if sums else _ENOUGH_IN_PROSE):
        return None
    return best[2], *_name_span(best[2].text)


def _addressed(head: Sequence[Line]) -> set[int]:
    """The places of the lines that hold the customer: those with his label, and the block that follows."""
    found: set[int] = set()
    for place, line in enumerate(head):
        if not _BUYER_ALONE.match(line.folded.lstrip(" |*#_-")):
            continue
        found.add(place)
        for after in range(place + 1, min(place + 1 + _BLOCK, len(head))):
            apart = head[after].page.text[head[after - 1].end : head[after].start].count("\n") > 1
            if apart and (after > place + 1 or ":" in line.text.rstrip(" :*")):
                break
            found.add(after)
    return found


def _standing(head: Sequence[Line], place: int) -> float:
    """What the neighbours tell: a company's name stands over its registered office, and seldom in a table."""
    rank = -3.0 if len(head[place].cells) > 2 else 0.0
    if place + 1 < len(head) and _REGISTERED.match(head[place + 1].folded.lstrip(" |*#_-")):
        rank += 4.0
    return rank


def _domains(text: str) -> list[str]:
    """The names in web and mail addresses, letters and digits alone."""
    hosts = re.findall(r"(?:@|www\.|https?://)(?:www\.)?([\w-]{4,})\.", fold(text))
    return [re.sub(r"[\W_]", "", host) for host in hosts if host not in _MAIL_HOSTS]


def _rank(line: Line, place: int, domains: set[str]) -> float:
    start, end = _name_span(line.text)
    text = line.text[start:end]
    letters = sum(character.isalpha() for character in text)
    if letters < 3 or len(text) > 70 or letters < len(text.replace(" ", "")) * 0.5 or text[:1] in "-(=<>":
        return 0.0
    if not re.search(r"[^\W\d_]{2}", re.sub(_NOT_A_NAME, "", fold(text).replace("payment", ""))):
        return 0.0
    rank = max(3.0 - place * 0.25, 0.0)
    if LEGAL_FORMS.search(fold(text)):
        rank += 4.0 if place < _HEAD_LINES else 2.5
    elif _SHOP_WORDS.search(fold(text)):
        rank += 3.0 - place * 0.5 if place < 6 else 0.0
    if _NOT_A_NAME.search(line.folded):
        rank -= 0.5 if place == 0 else 1.0 if place == 1 and rank > 4 else 4.0
    if re.search(r"[:;@]|^\W*\d+\W|\d{5}", text):
        rank -= 1.5
    squeezed = re.sub(r"[\W_]", "", LEGAL_FORMS.sub("", fold(text)))
    if squeezed and any(squeezed == name or (len(squeezed) > 5 and name.startswith(squeezed)) for name in domains):
        rank += 4.0
    return rank + (0.5 if text.isupper() or text.istitle() else 0.0)


def _name_span(text: str) -> tuple[int, int]:
    start, end = _trim(text, len(text) - len(text.lstrip(" #*_|")))
    if seller := _SOLD_BY.search(fold(text), start, end):
        start = seller.end()
    parts = re.search(r"\s+[-–|]\s+|\s*\((?=[^)]*\d)", text[start:end])
    return (start, start + parts.start()) if parts and parts.start() > 2 else (start, end)
