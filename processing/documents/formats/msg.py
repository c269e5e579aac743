"""Mail messages as Outlook saves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, ClassVar

from processing.documents import containers, hypertext, mail
from processing.documents.contract import Contents, Enclosed, Inspection, ReadOptions, UnreadableDocument, text_pages
from processing.documents.limits import Limits

RECIPIENT_KIND = 0x0C15  # PidTagRecipientType (MS-OXPROPS): 1 To, 2 Cc
TO, CC = 1, 2
UNREADABLE = (AttributeError, KeyError, ValueError, IndexError, TypeError, LookupError, OSError, ArithmeticError)


class Msg:
    """A message of Outlook; its attachments are named, messages among them too."""

    name: ClassVar[str] = "msg"
    extensions: ClassVar[tuple[str, ...]] = ("msg",)
    media_type: ClassVar[str] = "application/vnd.ms-outlook"
    modules: ClassVar[tuple[str, ...]] = ("oxmsg", "olefile", "bs4", "lxml.etree", "processing.documents.hypertables")

    def matches(self, head: bytes) -> bool:
        return containers.is_compound_of(head, "msg")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        _opened(file)
        return Inspection(pages=1)

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        return text_pages([mail.in_markdown(_mail(_opened(file), limits), limits)], options)

    def enclosed(self, file: BinaryIO, limits: Limits) -> Iterator[Enclosed]:
        for each in _attachments(_opened(file), limits):
            name, content = _tried(partial(getattr, each, "file_name")), _tried(partial(getattr, each, "file_bytes"))
            if name and content:
                yield Enclosed(mail.words(name, limits), content)


def _opened(file: BinaryIO) -> Any:
    from oxmsg import Message

    file.seek(0)
    if file.read(len(containers.OLE)) != containers.OLE:
        raise UnreadableDocument("The file is not an Outlook message.", "type_mismatch")
    kind = containers.compound_kind_of(file)
    if kind != "msg":
        raise containers.another(kind, "msg")
    file.seek(0)
    try:
        return Message.load(file)
    except (*UNREADABLE, RecursionError) as error:
        raise containers.broken() from error


def _mail(message: Any, limits: Limits) -> mail.Mail:
    html = _tried(lambda: message.html_body) or ""
    hypertext.refuse_too_long(len(html), limits)
    recipients = (_tried(lambda: message.recipients) or ())[: limits.mail_parts]
    sent = _tried(lambda: message.sent_date)
    return mail.Mail(
        subject=mail.words(_tried(lambda: message.subject), limits),
        headers=(
            ("From", mail.words(_tried(lambda: message.sender), limits)),
            ("To", _named(recipients, TO, limits)),
            ("Cc", _named(recipients, CC, limits)),
            ("Date", sent.isoformat(" ", "seconds") if sent else ""),
        ),
        text=_tried(lambda: message.body) or "",
        html=html,
        attachments=tuple(_attached(each) for each in _attachments(message, limits)),
    )


def _tried(look: Callable[[], Any]) -> Any:
    """What `look` finds; None where this property is damaged: the others are read."""
    try:
        return look()
    except UNREADABLE:
        return None


def _named(recipients: Any, kind: int, limits: Limits) -> str:
    return ", ".join(filter(None, (_recipient(each, kind, limits) for each in recipients)))


def _recipient(recipient: Any, kind: int, limits: Limits) -> str:
    """Name and address; empty for a recipient of another kind."""
    if (_tried(lambda: recipient.properties.int_prop_value(RECIPIENT_KIND)) or TO) != kind:
        return ""
    name = mail.words(_tried(lambda: recipient.name), limits)
    address = mail.words(_tried(lambda: recipient.email_address), limits)
    return f"{name} <{address}>" if name and address and name != address else name or address


def _attachments(message: Any, limits: Limits) -> Any:
    return (_tried(lambda: message.attachments) or ())[: limits.mail_parts]


def _attached(attachment: Any) -> str:
    name = _tried(lambda: attachment.file_name) or ""
    kind = _tried(lambda: attachment.mime_type) or ""
    return mail.attachment(name, kind, _tried(lambda: attachment.size))


FORMAT = Msg()
