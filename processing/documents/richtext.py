"""Rich Text Format as Markdown: striprtf reads the text, and marks that are set beforehand keep what it would lose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from processing.documents import markdown
from processing.documents.containers import broken, too_complex
from processing.documents.contract import UnreadableDocument
from processing.documents.limits import Limits

SIGNATURE = b"{\\rtf"
# Pictures are long runs of hexadecimal digits, which no text has; or raw bytes, of an announced length.
PICTURE = re.compile(r"(?:[0-9a-fA-F]{32,128}[\r\n ]*){4,}")
BINARY = re.compile(rb"\\bin(\d{1,9}) ?")
HEADING_STYLE = re.compile(r"\{\\s(\d{1,4})(?!\d)[^{}]{0,1000}\bheading ([1-9])\b", re.IGNORECASE)
NUMBERED = re.compile(r"[(]?(?:\d{1,4}(?:\.\d{1,4})*|[A-Za-z]|[ivxlcIVXLC]{1,7})[.)]")
MOST_STYLES = 50

# Characters for private use, each followed by a digit where there is a level.
PIPE, BREAK, ITEM, HEAD, LEVEL, ROW, ROW_END = (chr(0xE000 + number) for number in range(7))
MARKS = re.compile(f"[{PIPE}-{ROW_END}]")
LEVELS = re.compile(f"[{HEAD}{LEVEL}][0-9]")
TABLE = re.compile(f"(?:{ROW}[^{ROW_END}{BREAK}]*{ROW_END}\\s*)+")
# What is marked: before a word of control, or behind it and the blank that ends it.
BEFORE = [
    (re.compile(r"\{\\(?:listtext|pntext)\b"), ITEM + r"{\\listtext"),
    (re.compile(r"\\row(?![a-zA-Z])"), ROW_END + r"\\row"),
]
BEHIND = [
    (re.compile(r"\\trowd(?![a-zA-Z])"), ROW),
    (re.compile(r"\\page(?![a-zA-Z])"), BREAK),
    (re.compile(r"\\outlinelevel([0-8])(?!\d)"), HEAD),
    (re.compile(r"\\ilvl([0-8])(?!\d)"), LEVEL),
]


def pages(file: BinaryIO, limits: Limits) -> list[str]:
    """The Markdown between the author's page breaks. Raises `UnreadableDocument`."""
    return [_page(each) for each in _text(file, limits).split(BREAK)]


def source_of(file: BinaryIO, limits: Limits) -> str:
    """The document as it is written, without pictures. Raises `UnreadableDocument`."""
    file.seek(0)
    content = file.read()
    if not content.startswith(SIGNATURE):
        raise UnreadableDocument("The file is not a rich text document.", "type_mismatch")
    source = PICTURE.sub("", _without_binary(content).decode("latin-1"))
    if len(source) > limits.markup_bytes:
        raise too_complex(f"The document has more than {limits.markup_bytes >> 20} MB of text and markup.")
    if not source.rstrip("\0\r\n\t ").endswith("}"):
        raise broken()  # It breaks off.
    return source


def _text(file: BinaryIO, limits: Limits) -> str:
    from striprtf import striprtf

    convert: Callable[..., str] = striprtf.rtf_to_text
    try:
        return convert(_marked(source_of(file, limits)), errors="replace")
    except (ValueError, IndexError, TypeError, LookupError, OverflowError) as error:
        raise broken() from error


def _without_binary(content: bytes) -> bytes:
    kept, position = [], 0
    while match := BINARY.search(content, position):
        kept.append(content[position : match.start()])
        position = match.end() + int(match[1])
    return b"".join([*kept, content[position:]])


def _marked(source: str) -> str:
    source = MARKS.sub("", source).replace("|", PIPE)
    # striprtf writes a link's address behind its words, unless the two stand a little apart.
    source = re.sub(r"\\fldinst\{", r"\\fldinst {", source)
    source = re.sub(r"\\footnote(?![a-zA-Z])", r"\\note (note:) ", source)
    for number, level in HEADING_STYLE.findall(source)[:MOST_STYLES]:
        source = re.sub(rf"\\s{number}(?!\d)", rf"\g<0> {HEAD}{int(level) - 1}", source)
    for pattern, mark in BEFORE:
        source = pattern.sub(mark, source)
    for pattern, mark in BEHIND:
        source = pattern.sub(rf"\g<0> {mark}" + (r"\1" if pattern.groups else ""), source)
    return source


def _page(text: str) -> str:
    blocks: list[str] = []
    position = 0
    for match in TABLE.finditer(text):
        blocks += _paragraphs(text[position : match.start()])
        blocks.append(_table(match[0]))
        position = match.end()
    blocks += _paragraphs(text[position:])
    return markdown.joined(blocks).replace(PIPE, "|").strip()


def _table(text: str) -> str:
    rows = []
    for row in text.split(ROW_END):
        *cells, rest = (_seen(_without_levels(cell)).replace(PIPE, "|") for cell in row.split("|"))
        if any((*cells, rest)):
            rows.append([*cells, rest] if rest else cells)
    return markdown.table(rows)


def _without_levels(text: str) -> str:
    return LEVELS.sub("", text)


def _paragraphs(text: str) -> list[str]:
    found: list[str] = []
    items: list[str] = []
    for line in text.split("\n"):
        item = ITEM in line
        if items and not item and line.strip():
            found.append("\n".join(items))
            items = []
        if item:
            items.append(_item(line))
        else:
            found.append(_paragraph(line))
    return [*found, "\n".join(items)]


def _item(line: str) -> str:
    level = re.search(f"{LEVEL}([0-9])", line)
    line = _without_levels(line).replace(ITEM, "").replace(ROW, "").replace(ROW_END, "")
    mark, _, text = line.strip(" ").partition("\t")
    if not text:
        mark, text = "", mark
    mark = mark.strip() if NUMBERED.fullmatch(mark.strip()) else "-"
    return f"{'  ' * (int(level[1]) if level else 0)}{mark} {_seen(text)}"


def _paragraph(line: str) -> str:
    head = re.search(f"{HEAD}([0-9])", line)
    text = _seen(_without_levels(line).replace("|", " | "))
    return markdown.heading(int(head[1]) + 1, text) if head else text


def _seen(text: str) -> str:
    """A line without marks, but for the one that stands for a pipe."""
    return re.sub(f"[{BREAK}-{ROW_END}]", "", markdown.flat(text))
