"""Office documents with a password: what a hostile one may not do before it is decrypted."""

from __future__ import annotations

import io

import olefile
import pytest

from processing.documents import registry
from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.limits import Limits
from tests.documents import compound, samples


def refusal(content: bytes, password: str | None = "secret", limits: Limits = Limits(), name: str = "docx") -> str:  # noqa: B008
    with pytest.raises(UnreadableDocument) as caught:
        list(registry.named(name).read(io.BytesIO(content), ReadOptions(password=password), limits).pages)
    return caught.value.code


def with_info(change: tuple[bytes, bytes]) -> bytes:
    """A sealed document whose description of the encryption was changed."""
    with olefile.OleFileIO(io.BytesIO(samples.sealed(samples.word()))) as container:
        info, package = (container.openstream(name).read() for name in ("EncryptionInfo", "EncryptedPackage"))
    assert change[0] in info
    return compound.container({"EncryptionInfo": info.replace(*change), "EncryptedPackage": package})


def test_it_works() -> None:
    content = samples.sealed(samples.word(), password="pässwörd")
    pages = registry.named("docx").read(io.BytesIO(content), ReadOptions(password="pässwörd"), Limits()).pages
    assert next(pages).text.startswith("ACME Ltd")
    assert refusal(content, "passwort") == "wrong_password"
    assert refusal(content, None) == "document_encrypted"


def test_a_password_that_nobody_asked_for_is_left_aside() -> None:
    for name in ("docx", "xls", "doc"):
        content = samples.one_of_each()[name]
        assert list(registry.named(name).read(io.BytesIO(content), ReadOptions(password="secret"), Limits()).pages)


def test_checking_a_password_may_take_so_much_computing_and_no_more() -> None:
    assert refusal(samples.sealed(samples.word()), limits=Limits(password_rounds=1000)) == "document_too_complex"


def test_a_description_with_a_document_type_is_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "cccc">]><encryption'
    assert refusal(with_info((b"<encryption", bomb))) == "document_broken"


def test_an_encryption_that_nobody_knows_is_told() -> None:
    assert refusal(with_info((b"\x04\x00\x04\x00", b"\x04\x00\x03\x00"))) == "document_encrypted"


def test_what_was_sealed_is_held_to_its_kind_and_its_limits() -> None:
    assert refusal(samples.sealed(samples.excel())) == "type_mismatch"
    assert refusal(samples.sealed(samples.word()), limits=Limits(zip_bytes=100)) == "document_too_complex"
