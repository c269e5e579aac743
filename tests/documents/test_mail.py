"""Mail becomes headers, body and the names of what is attached; messages inside it are further pages."""

from __future__ import annotations

import io
from email.message import EmailMessage

import pytest

from processing.documents import mail, registry
from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.limits import Limits
from tests.documents import compound, samples


def read(content: bytes, limits: Limits = Limits(), name: str = "eml") -> list[str]:  # noqa: B008
    return [page.text for page in registry.named(name).read(io.BytesIO(content), ReadOptions(), limits).pages]


def message(plain: str, html: str) -> bytes:
    made = EmailMessage()
    made["From"], made["To"] = "a@example.com", "b@example.com"
    made.set_content(plain)
    made.add_alternative(html, subtype="html")
    return made.as_bytes()


def test_it_works() -> None:
    assert read(samples.MAIL) == [
        "# Offer\n\n- From: Jürgen <j@example.com>\n- To: Eve <eve@example.com>\n"
        "- Date: Fri, 1 May 2026 10:00:00 +0200\n\n42\xa0EUR\n\n"
        "Attachments:\n\n- offer.pdf (application/pdf, 4 bytes)\n- Before (message/rfc822)",
        "# Before\n\n- From: a@example.com\n\nearlier words",
    ]


def test_outlooks_own_form_reads_alike() -> None:
    assert read(compound.message(), name="msg") == [
        '# Offer\n\n- From: "Alice" <alice@example.com>\n- To: Bob <bob@example.com>\n\nDear Bob,\n\n42 EUR.\n\n'
        "Attachments:\n\n- offer.pdf (application/pdf, 4 bytes)"
    ]


def test_of_two_forms_the_one_with_tables_is_taken() -> None:
    table = "<table><tr><td>Tea</td><td>4.50</td></tr><tr><td>Milk</td><td>1.20</td></tr></table>"
    assert "| Tea | 4.50 |" in read(message("Tea 4.50 Milk 1.20", f"<p>{table}</p>"))[0]
    assert read(message("plain words", "<p>other words</p>"))[0].endswith("plain words")
    assert read(message("", "<p>other words</p>"))[0].endswith("other words")


def test_bytes_without_a_declaration_are_read_by_their_looks() -> None:
    content = "From: a\r\nTo: b\r\nSubject: Käse\r\n\r\nKäse für alle".encode("cp1252")
    assert read(content)[0].endswith("Käse für alle")


@pytest.mark.parametrize("charset", ["nonsense", "zip", "utf-16"])
def test_a_charset_that_lies_spoils_nothing(charset: str) -> None:
    assert read(f"From: a\r\nTo: b\r\nContent-Type: text/plain; charset={charset}\r\n\r\nwords!".encode())


def test_messages_in_messages_are_bounded() -> None:
    inner = b"".join(b"From: a%d\r\nTo: b\r\nContent-Type: message/rfc822\r\n\r\n" % number for number in range(30))
    limits = Limits()
    assert len(read(inner + b"From: x\r\nTo: y\r\n\r\nend")) == limits.mail_depth + 1
    assert len(read(samples.MAIL, Limits(mail_messages=1))) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (
            b"From: a\r\nTo: b\r\n"
            + b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3000)),
            "document_broken",
        ),
        (
            b'From: a\r\nTo: b\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 2000,
            "document_too_complex",
        ),
        (b"Dear all,\r\n\r\nwords", "type_mismatch"),
    ],
    ids=["nested", "many", "none"],
)
def test_what_is_no_message_or_too_much_of_one_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read(content)
    assert caught.value.code == code


def test_a_header_is_read_to_a_bound() -> None:
    content = b"From: a\r\nTo: b\r\nSubject: " + b"x" * 1_000_000 + b"\r\n\r\nwords"
    assert len(read(content)[0]) < 20_000


def test_text_is_not_taken_for_mail() -> None:
    assert not mail.looks_like_it(b"Note: this is a text.\n\nFrom: nobody\nTo: nobody\n")
    assert not mail.looks_like_it(b"Subject: only one\n\nwords")
