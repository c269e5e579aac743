"""Text is read whatever its encoding, and what is not text is refused."""

from __future__ import annotations

import io

import pytest

from processing.documents import plaintext
from processing.documents.contract import ReadOptions, UnreadableDocument

FRENCH = "Le café à côté, naïf comme l'été : déjà vu. Où êtes-vous allés, chère élève ? " * 5


def read(content: bytes) -> list[str]:
    return [page.text for page in plaintext.read(io.BytesIO(content), ReadOptions()).pages]


def test_it_works() -> None:
    assert read(b"one\r\ntwo\fthree") == ["one\ntwo", "three"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_an_encoding_is_told(encoding: str) -> None:
    assert read(FRENCH.encode(encoding)) == [FRENCH]


def test_a_few_words_in_an_old_encoding_are_read_as_western() -> None:
    assert read("Müller zahlt 5 €".encode("cp1252")) == ["Müller zahlt 5 €"]


def test_cyrillic_of_old_is_told() -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert read(text.encode("cp1251")) == [text.strip("\n")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. Zaplaťte prosím částku do konce měsíce. " * 8, "cp1250"),
        ("本日は晴天なり。請求書の合計金額をご確認ください。" * 8, "cp932"),
        ("Rechnung über Gebühren für die Prüfung der Straßen, zahlbar in fünf Tagen. " * 8, "cp1252"),
    ],
)
def test_other_old_encodings_are_told(text: str, encoding: str) -> None:
    assert read(text.encode(encoding)) == [text]


def test_characters_that_are_cut_between_two_pieces_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plaintext, "CHUNK", 3)
    assert read("äöü€𝄞\fß".encode()) == ["äöü€𝄞", "ß"]


@pytest.mark.parametrize("content", [bytes(range(256)) * 10, b"\x7fELF\2\1\1" + bytes(100), b"text\0with\0nuls" * 50])
def test_what_is_not_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        plaintext.inspect(io.BytesIO(content))
    assert caught.value.code == "type_mismatch"


def test_control_characters_do_not_come_through() -> None:
    assert read(b"a\x07b" + b" words" * 50)[0].startswith("ab words")
