"""Mail as pages: the message is the first, each message inside it a further one; attachments are named."""

from __future__ import annotations

import contextlib
import email.errors
import email.header
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import Any, BinaryIO

from processing.documents import hypertext, markdown, plaintext
from processing.documents.containers import broken, too_complex
from processing.documents.contract import Enclosed, Page, ReadOptions, UnreadableDocument
from processing.documents.limits import Limits

# A line as a header has it, of those that nearly every message begins with one of.
HEADER = re.compile(
    rb"^(?:From|To|Cc|Subject|Date|Received|Return-Path|Delivered-To|Reply-To|Sender|Message-ID|MIME-Version|"
    rb"Content-Type|X-[\w-]{1,60}|DKIM-Signature|ARC-[\w-]{1,40}):",
    re.IGNORECASE | re.MULTILINE,
)
FIRST_LINE = re.compile(rb"^(?:From |[!-9;-~]{1,80}:)")
EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
SHOWN = ("From", "To", "Cc", "Date")
HTML_TABLE = re.compile(r"<t[dh]\b", re.IGNORECASE)
WORDS = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message in words. `headers` are names and values to be shown; `attachments` are lines about one file each."""

    subject: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    html: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(slots=True)
class Parts:
    """What the walk through one message has found."""

    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    files: list[Message] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def looks_like_it(head: bytes) -> bool:
    """Whether a file that begins so can be a message: text whose first paragraph is made of headers."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if not FIRST_LINE.match(head) or not plaintext.looks_like_text(head.replace(b"\0", b"")):
        return False
    return len(HEADER.findall(EMPTY_LINE.split(head, maxsplit=1)[0])) > 1


def messages(file: BinaryIO, limits: Limits) -> list[tuple[Message, Parts]]:
    """A file of the form of RFC 5322 and MIME: the message, and those inside it, each with its parts. Raises
    `UnreadableDocument`."""
    file.seek(0)
    if not looks_like_it(file.read(8192)):
        raise UnreadableDocument("The file is not a mail message.", "type_mismatch")
    file.seek(0)
    try:
        first = BytesParser().parse(file)
    except (RecursionError, ValueError, LookupError, AttributeError) as error:
        raise broken() from error
    found: list[tuple[Message, Parts]] = []
    waiting = deque([(first, 0)])
    while waiting and len(found) < limits.mail_messages:
        message, depth = waiting.popleft()
        parts = _parts(message, limits)
        found.append((message, parts))
        if depth < limits.mail_depth:
            waiting.extend((each, depth + 1) for each in parts.messages)
    return found


def pages(found: list[tuple[Message, Parts]], options: ReadOptions, limits: Limits) -> Iterator[Page]:
    """A page for each message. Raises `UnreadableDocument`."""
    for number, (message, parts) in enumerate(found, 1):
        if options.wants(number):
            text = in_markdown(_mail(message, parts, limits), limits)
            yield Page(number, text, "text" if text else "none")


def enclosed(found: list[tuple[Message, Parts]]) -> Iterator[Enclosed]:
    """The attached files of all the messages, but for those without a name."""
    for _, parts in found:
        for part in parts.files:
            if name := _filename(part):
                yield Enclosed(name, _payload(part))


def _parts(message: Message, limits: Limits) -> Parts:
    """The parts of one message, without going into the messages inside it."""
    found = Parts()
    waiting: deque[Message] = deque([message])
    seen = 0
    while waiting:
        part = waiting.popleft()
        seen += 1
        if seen > limits.mail_parts:
            raise too_complex(f"The message has more than {limits.mail_parts} parts.")
        if part.get_content_type() == "message/rfc822" and part is not message:
            inner = part.get_payload()
            found.messages += [each for each in inner if isinstance(each, Message)] if isinstance(inner, list) else []
            found.attachments.append(_attached(part, limits))
        elif part.is_multipart():
            children = part.get_payload()
            waiting.extendleft(reversed([each for each in children if isinstance(each, Message)]))
        else:
            _take(part, found, limits)
    return found


def _take(part: Message, found: Parts, limits: Limits) -> None:
    kind = part.get_content_type()
    if part.get_content_disposition() == "attachment" or _filename(part) or kind not in ("text/plain", "text/html"):
        found.attachments.append(_attached(part, limits))
        found.files.append(part)
        return
    content = _payload(part)
    if kind == "text/html":
        hypertext.refuse_too_long(len(content), limits)
        found.htmls.append(hypertext.decoded(content, _charset(part)))
    else:
        found.texts.append(_decoded(content, _charset(part)))


def _payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except (ValueError, LookupError, UnicodeError):
        return None


def _decoded(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "ascii")
    except (UnicodeDecodeError, LookupError, ValueError):
        try:
            return content.decode(plaintext.encoding_of(content[: plaintext.SAMPLE]), "replace")
        except UnreadableDocument:
            return ""  # A part that calls itself text and is none.


def _filename(part: Message) -> str:
    try:
        return words(part.get_filename() or "", Limits())
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _attached(part: Message, limits: Limits) -> str:
    """An attachment's name, type and size in bytes; of a message its subject."""
    kind = part.get_content_type()
    inner = part.get_payload() if kind == "message/rfc822" else None
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return attachment(_filename(part) or words(inner[0].get("Subject"), limits), kind, None)
    return attachment(_filename(part), kind, len(_payload(part)))


def attachment(name: str, kind: str, size: int | None) -> str:
    """A line about an attached file; `size` is in bytes."""
    about = ", ".join(filter(None, (kind, "" if size is None else f"{size} bytes")))
    return markdown.flat(f"{name or 'without a name'} ({about})" if about else name)


def words(value: Any, limits: Limits) -> str:
    """A header's value as a person reads it."""
    text = str(value or "")[: limits.header_characters]
    with contextlib.suppress(ValueError, LookupError, email.errors.HeaderParseError):
        text = str(email.header.make_header(email.header.decode_header(text)))
    if any("\udc80" <= each <= "\udcff" for each in text):  # bytes that were not declared
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return markdown.flat(text)


def _mail(message: Message, parts: Parts, limits: Limits) -> Mail:
    headers = tuple((name, words(message.get(name), limits)) for name in SHOWN)
    return Mail(
        subject=words(message.get("Subject"), limits),
        headers=headers,
        text="\n\n".join(parts.texts),
        html="\n".join(parts.htmls),
        attachments=tuple(parts.attachments),
    )


def in_markdown(mail: Mail, limits: Limits) -> str:
    """The message as one page. Of a body in two forms the plain one is taken, unless the other has tables or is all
    that says anything. Raises `UnreadableDocument`."""
    plain = markdown.clean(mail.text)
    if mail.html and (HTML_TABLE.search(mail.html) or not WORDS.search(plain)):
        body = hypertext.to_markdown(mail.html, limits) or plain
    else:
        body = plain
    headers = "\n".join(f"- {name}: {value}" for name, value in mail.headers if value)
    attached = _listed(mail.attachments)
    return markdown.joined([markdown.heading(1, mail.subject), headers, body, attached])


def _listed(attachments: Iterable[str]) -> str:
    lines = "\n".join(f"- {each}" for each in attachments)
    return f"Attachments:\n\n{lines}" if lines else ""
