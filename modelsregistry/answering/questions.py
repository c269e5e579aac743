"""What a prompt asks for: its parts, each with the type of answer that it wants and the words to search by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .lexicon import FIELDS, FieldName
from .words import fold, stem, terms, tokens


class Type(StrEnum):
    """The kinds of answers; `FIELD` is a labelled value, `READING` the whole text."""

    READING = "reading"
    SUMMARY = "summary"
    FIELD = "field"
    ISSUER = "issuer"
    RECIPIENT = "recipient"
    AMOUNT = "amount"
    DATE = "date"
    PERCENT = "percent"
    COUNT = "count"
    PERSON = "person"
    PLACE = "place"
    DEFINITION = "definition"
    LIST = "list"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class Question:
    """One part of a prompt: `terms` are stemmed and without stop words; `field` is set for `Type.FIELD` alone."""

    text: str
    type: Type
    terms: tuple[str, ...]
    field: FieldName | None = None
    page: int | None = None
    label: frozenset[str] = frozenset()
    """The words that a label for the answer would consist of, unstemmed."""


_DOCUMENT = (
    r"(?:(?:the|this|that|my|our|all|whole|entire|full|complete|attached|provided|following|uploaded|given|of|from|in|"
    r"raw|plain|its|le|la|du|de|das|dem|den|des|aus|il|el|het|text|texts|contents?|document|documents|doc|pdf|"
    r"file|page|"
    r"pages|image|picture|photo|scan|everything|words|receipt|invoice|letter|texte|inhalt|texto|testo|tekst|dokument|"
    r"documento|to|as|into|markdown|md|plain|format|it|verbatim|completely|fully|exactly|out|please|and|return)\W*)+"
)
_READING = re.compile(
    rf"\W*(?:please\s+|can you\s+|could you\s+)*(?:(?:extract|transcribe|ocr|read|convert|copy|output|return|print|"
    rf"show(?: me)?|give(?: me)?|get|dump|extrahiere|transkribiere|extrais|extraire|extraer|estrai|"
    rf"lies)\s+{_DOCUMENT})+$"
)
_READING_OBJECT = re.compile(
    r"\b(?:text|texts|contents?|everything|markdown|texte|inhalt|texto|testo|tekst|words|words)\b|transcri|ocr|"
    r"convert|read"
)
_SUMMARY = re.compile(
    r"\b(?:summar\w+|tl;?dr|overview|synopsis|abstract of|key (?:points?|facts|takeaways|findings|information)|"
    r"main (?:points?|ideas?|topics?|content)|gist|resum\w*|zusammenfass\w*|fasse|samenvatt\w*|vat samen|riassu\w*|"
    r"sintesi|streszcz\w*|podsumuj\w*)\b"
    r"|what(?:'s| is| does)? (?:this|the|it)(?: \w+)? (?:about|say|contain|cover|describe)s?\W*$"
    r"|what (?:is|kind of \w+ is|type of \w+ is) (?:this|it|the document)(?: (?:document|file|text|pdf|image))?\W*$"
    r"|\b(?:anal[yi][sz]e|describe|review|explain|analysier\w*|analy[sz]er?|beschreib\w*) "
    r"(?:\w+ ){0,3}(?:document|file|text|pdf|page|report|image|picture|photo|contents?|dokument|it|this)\W*(?:$|[.;,])"
    r"|worum geht|de quoi (?:parle|s'agit)|waar gaat"
)
_TYPES: tuple[tuple[Type, re.Pattern[str]], ...] = (
    (Type.PERCENT, re.compile(r"\bpercent\w*|\bwhat (?:is the )?(?:\w+ ){0,3}rate\b|%|prozent|pourcentage")),
    (Type.COUNT, re.compile(r"\bhow many\b|\bnumber of\b|\bwie viele\b|\bcombien de\b|\bhoeveel\b|\bcuantos\b|"
                            r"\bquanti\b")),
    (Type.AMOUNT, re.compile(r"\bhow much\b|\b(?:price|cost|fee|salary|rent|budget|revenue|income|charge|fine|deposit|"
                             r"payment amount|value)s?\b|\bwie ?viel\b|\bpreis\b|\bprix\b|\bprijs\b|\bprecio\b|"
                             r"\bprezzo\b")),
    (Type.DATE, re.compile(r"\bwhen\b|\bwhat (?:is the )?(?:\w+ ){0,3}(?:date|day|year)\b|\bdate of\b|\bdate\b|"
                           r"\bdeadline\b|"
                           r"\bwann\b|\bquand\b|\bwanneer\b|\bcuando\b|\bwhich year\b")),
    (Type.PERSON, re.compile(r"^\W*(?:who|whose|whom|wer|qui|wie is|quien|chi)\b|\bname of\b|\bauthors?\b|"
                             r"\bsigned by\b")),
    (Type.PLACE, re.compile(r"\bwhere\b|\baddress\b|\blocated\b|\blocation\b|\bwo\b|\bou est\b|\badresse\b|\badres\b")),
    (Type.LIST, re.compile(r"\blist\b|\bwhich \w+s are\b|\bwhat are\b|\benumerate\b|\bname (?:all|the)\b|"
                           r"\bwhat (?!is\b|was\b|does\b|has\b)\w+s\b|"
                           r"\bwelche\b|\bquels\b|\bquelles\b|\bliste\b|\bsteps\b")),
    (Type.DEFINITION, re.compile(r"^\W*(?:what(?:'s| is| are| does)|define|explain|was ist|was sind|qu'est|"
                                 r"wat is|que es|"
                                 r"meaning of)\b")),
)  # fmt: skip
_ISSUER = re.compile(
    r"\b(?:compan(?:y|ies)|seller|vendor|supplier|issuer|merchant|store|shop|firm|business|firma|entreprise|bedrijf|"
    r"empresa|azienda|societe|verkaufer|fournisseur|leverancier)\b(?: (?:name|is this|issued|on|of)\b)?"
    r"|\bwho (?:issued|sent|sold|made|wrote|created) (?:this|the) (?:invoice|receipt|bill)"
    r"|\b(?:invoice|receipt|bill)s? (?:is )?from (?:whom|who)|who is (?:the|this) (?:invoice|receipt|bill) from"
)
_RECIPIENT = re.compile(
    r"\b(?:customer|client|buyer|recipient|purchaser|bill(?:ed)? to|guest|kunde|acheteur|klant|"
    r"cliente)\b(?! (?:number|id|no|care|service))"
    r"|\bto whom\b|who (?:is|was) (?:the|this) (?:invoice|bill) (?:for|to|addressed)"
)
_FILLER = frozenset(
    tokens("""what is are was the a an this that on in of for please tell give me find extract show which and its it to
    be document invoice receipt bill s value field can you s from shown stated mentioned ist die der das welche wat
    het quel quelle est le la les cual el cuanto how much wie hoch does do did i my our we have there issued number no
    name who whom charged applied called full read answer many when where wann quand wanneer""")
)
_PAGE = re.compile(r"\b(?:on|of|from|in|at)\s+page\s+(\d{1,5})\b|\bpage\s+(\d{1,5})\s*[?.:]?\s*$")
_PARTS = re.compile(r"(?<=[?？])\s+|\n+|;\s+|(?<=[a-z]\.)\s+(?=[A-Z])")
_ENUMERATION = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):]|\(?[a-h][.)])\s+")
_AND_QUESTION = re.compile(
    r"\s*,?\s+(?:and|und|et|en|y|e)\s+(?=(?:also\s+)?(?:what|when|who|where|which|how|why|was|wer|wann|wie|wo|"
    r"quel|quand|"
    r"qui|comment|wat|wanneer|cual|cuando|quien|is there|are there|does)\b)",
    re.IGNORECASE,
)
_AND = re.compile(r"\s*,\s*(?:and\s+|und\s+|et\s+)?|\s+(?:and|und|et|en|y|e|&|as well as)\s+", re.IGNORECASE)
MOST_PARTS = 12


def parse(prompt: str) -> list[Question]:
    """The parts of a prompt in order, at most `MOST_PARTS`; at least one."""
    whole = _question(prompt.strip())
    if whole.type in (Type.READING, Type.SUMMARY):
        return [whole]
    sentences = [_ENUMERATION.sub("", part).strip() for part in _PARTS.split(prompt)]
    asked = [sentence for sentence in sentences if sentence.endswith("?")]
    if len(asked) == 1 and "\n" not in prompt.strip():
        sentences = asked
    questions = [_question(piece) for sentence in sentences for piece in _split(sentence) if terms(piece)]
    return (questions or [whole])[:MOST_PARTS]


def _split(part: str) -> list[str]:
    """`What is X and when was Y` is two questions; `the total, the date and the number` are as many as it names."""
    pieces = _AND_QUESTION.split(part)
    if len(pieces) > 1:
        return [piece for whole in pieces for piece in _split(whole)]
    pieces = [piece for piece in _AND.split(part) if piece.strip(" .?")]
    if len(pieces) > 1 and all(_is_field(piece) for piece in pieces):
        return pieces
    return [part]


def _is_field(text: str) -> bool:
    return _question(text).type in (Type.FIELD, Type.ISSUER, Type.RECIPIENT)


def _question(text: str) -> Question:
    folded = fold(text)
    page_match = _PAGE.search(folded)
    page = int(page_match[1] or page_match[2]) if page_match else None
    if page_match:
        folded = folded[: page_match.start()] + " " + folded[page_match.end() :]
    words = tuple(dict.fromkeys(terms(folded)))
    kind, field = _type(folded)
    label = frozenset(word for word in tokens(folded) if word not in _FILLER)
    return Question(text, kind, words, field, page, label)


def _type(folded: str) -> tuple[Type, FieldName | None]:
    if _READING.match(folded.strip()) and _READING_OBJECT.search(folded):
        return Type.READING, None
    if _SUMMARY.search(folded):
        return Type.SUMMARY, None
    field = _field(folded)
    if field is not None:
        return Type.FIELD, field
    if _alone(_ISSUER, folded):
        return Type.ISSUER, None
    if _alone(_RECIPIENT, folded):
        return Type.RECIPIENT, None
    return next((kind for kind, pattern in _TYPES if pattern.search(folded)), Type.PASSAGE), None


def _field(folded: str) -> FieldName | None:
    """The labelled field that the question names and says nothing beyond; the longest name wins."""
    best: FieldName | None = None
    longest = 0
    for field in FIELDS:
        match = field.asked.search(folded)
        if match and len(match.group()) > longest and _alone(field.asked, folded):
            best, longest = field, len(match.group())
    return best


_FILLER_STEMS = frozenset(stem(word) for word in _FILLER) | _FILLER


def _alone(pattern: re.Pattern[str], folded: str) -> bool:
    match = pattern.search(folded)
    if match is None:
        return False
    rest = tokens(folded[: match.start()] + " " + folded[match.end() :])
    return all(word in _FILLER_STEMS or stem(word) in _FILLER_STEMS for word in rest)
