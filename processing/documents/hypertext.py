"""HTML as Markdown: what a person would see of it, and nothing fetched."""

from __future__ import annotations

import re
import warnings
from typing import Any, BinaryIO

from processing.documents import markdown, plaintext
from processing.documents.containers import broken, too_complex
from processing.documents.contract import UnreadableDocument
from processing.documents.limits import Limits

DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
XML_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})""", re.IGNORECASE)
SAYS_SO = re.compile(
    rb"^(?:\xef\xbb\xbf)?(?:\s|<!--.{0,2000}?-->|<\?xml[^>]{0,200}>)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
TAG = re.compile(
    rb"<(?:!doctype\s|/?(?:html|head|title|meta|body|main|div|span|p|a|b|i|em|strong|br|hr|img|h[1-6]|ul|ol|li|dl|dt|table|"
    rb"tr|td|th|tbody|thead|pre|code|blockquote|section|article|header|footer|nav|form|center|font|style|script)[\s/>])",
    re.IGNORECASE,
)
# Nothing of this is shown as text, or all of it comes from elsewhere.
NOT_SHOWN = (
    *("script", "style", "template", "noscript", "head", "title", "meta", "link", "base", "iframe", "object", "embed"),
    *("svg", "canvas", "audio", "video", "source", "track", "map", "annotation", "annotation-xml", "datalist"),
)
HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|!|$)", re.I
)
NOT_TYPED = ("hidden", "password", "file", "image", "checkbox", "radio")
STRAY_BLANKS = re.compile(r"[ \t]+$|^ (?=\S)", re.MULTILINE)


def says_so(head: bytes) -> bool:
    """Whether a file that begins so declares itself as HTML."""
    return SAYS_SO.match(head.replace(b"\0", b"")) is not None


def looks_like_it(head: bytes) -> bool:
    """Whether a file that begins so can be HTML: text with tags."""
    return plaintext.looks_like_text(head) and TAG.search(head.replace(b"\0", b"")) is not None


def text_of(file: BinaryIO, limits: Limits) -> str:
    """The file, decoded by its mark, by what it declares, or by how it looks. Raises `UnreadableDocument`."""
    file.seek(0)
    content = file.read(limits.markup_bytes + 1)
    refuse_too_long(len(content), limits)
    return decoded(content)


def decoded(content: bytes, declared: str | None = None) -> str:
    """HTML or XHTML as text; `declared` is what its envelope says of its encoding. Raises `UnreadableDocument`."""
    marked = any(content.startswith(mark) for mark, _ in plaintext.BOMS)
    if not marked and b"\0" not in content[:1000]:
        match = XML_DECLARED.match(content[:1024]) or DECLARED.search(content[:4096])
        for name in filter(None, (declared, match[1].decode("ascii") if match else None)):
            text = _decoded_as(name, content)
            if text is not None:
                return text
    return content.decode(plaintext.encoding_of(content[: plaintext.SAMPLE]), "replace")


def _decoded_as(name: str, content: bytes) -> str | None:
    """None where there is no such encoding, or where it is not that of the content."""
    name = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252"}.get(name.lower(), name)
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        return None if error.start < len(content) - 8 else content.decode(name, "replace")
    except (LookupError, ValueError):
        return None


def refuse_too_long(length: int, limits: Limits) -> None:
    """Raises `UnreadableDocument`."""
    if length > limits.markup_bytes:
        raise too_complex(f"The document has more than {limits.markup_bytes // (1 << 20)} MB of markup.")


def to_markdown(html: str, limits: Limits) -> str:
    """What is seen of a page. Raises `UnreadableDocument`."""
    from bs4 import BeautifulSoup

    refuse_too_long(len(html), limits)
    if html.count("<") > 2 * limits.markup_elements:
        raise too_complex("The document has more elements than may be read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of text without tags, and of XHTML.
            soup = BeautifulSoup(html, "lxml")
    except (ValueError, AssertionError, RecursionError) as error:
        raise broken() from error
    title = markdown.flat(soup.title.get_text()) if soup.title else ""
    if _prepare(soup) > limits.markup_depth:
        return markdown.clean(soup.get_text("\n"))  # Too deep to be walked through: its words without their structure.
    heading = markdown.heading(1, title) if soup.find("h1") is None else ""
    return markdown.joined([heading, _converted(soup, limits)])


def _prepare(soup: Any) -> int:
    """Leave out what is not shown, and show what was typed into fields; return how deep elements are nested.

    One walk without recursion. What is left out is emptied rather than cut out of its parent, which would have to look
    for it among all its children.
    """
    from bs4 import Comment, Doctype, Tag

    depths = {id(soup): 0}
    elements: list[Any] = []
    comments: list[Any] = []
    for each in soup.descendants:
        if isinstance(each, Tag):
            depths[id(each)] = depths[id(each.parent)] + 1
            elements.append(each)
        elif isinstance(each, (Comment, Doctype)):
            comments.append(each)
    for element in elements:
        if element.name in NOT_SHOWN or (element.attrs and _is_hidden(element)):
            element.clear()
            _make_plain(element)
        elif element.name == "input":
            _show_typed(element)
    for comment in comments:
        comment.extract()
    return max(depths.values())


def _show_typed(field: Any) -> None:
    kind, typed = str(field.get("type", "text")).lower(), str(field.get("value") or "")
    _make_plain(field)
    if typed and kind not in NOT_TYPED:
        field.append(f" {typed} ")


def _make_plain(element: Any) -> None:
    element.name, element.attrs = "span", {}


def _is_hidden(element: Any) -> bool:
    return "hidden" in element.attrs or bool(HIDDEN.search(str(element.attrs.get("style") or "")))


def _converted(soup: Any, limits: Limits) -> str:
    from processing.documents import hypertables

    converter = hypertables.Converter()
    try:
        hypertables.replace_tables(soup, converter, limits)
        return markdown.clean(STRAY_BLANKS.sub("", converter.convert_soup(soup).replace("\xa0", " ")))
    except RecursionError as error:
        raise UnreadableDocument("The document is nested too deeply to be read.", "document_too_complex") from error
