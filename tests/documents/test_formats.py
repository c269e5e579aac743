"""What every format promises, asked of every member of the registry."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from processing.documents import checks, registry
from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.limits import Limits
from processing.documents.sandbox import Sandbox
from processing.errors import DocumentFailed, InvalidInput
from tests.documents import samples

SAMPLES = samples.one_of_each()
NAMES = sorted(registry.all_formats())
DECRYPTED = ("pdf", "docx", "xlsx", "pptx", "xls", "doc")
PLAIN = {"txt", "md", "csv", "tsv"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def deadline() -> float:
    return time.monotonic() + 60


@pytest.mark.parametrize("name", NAMES)
def test_it_works(sandbox: Sandbox, name: str) -> None:
    kind = registry.named(name)
    with sandbox.reading(io.BytesIO(SAMPLES[name]), kind, ReadOptions(ocr=False), deadline=deadline()) as reading:
        pages = list(reading)
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert reading.page_count == len(pages) >= 1
    assert sandbox.inspect(io.BytesIO(SAMPLES[name]), kind, deadline=deadline()).pages == len(pages)


@pytest.mark.parametrize("name", NAMES)
def test_it_knows_its_own_and_no_other(name: str) -> None:
    texts = {
        **dict.fromkeys(("txt", "md"), PLAIN | {"html", "eml"}),
        **dict.fromkeys(("csv", "tsv"), PLAIN | {"eml"}),
    }
    for other, content in SAMPLES.items():
        own = other == name or other in texts.get(name, ())
        assert registry.named(name).matches(content[:8192]) == own, other


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_only_the_pages_that_are_asked_for(sandbox: Sandbox, name: str) -> None:
    options = ReadOptions(ocr=False, only=frozenset({2}))
    with sandbox.reading(io.BytesIO(SAMPLES[name]), registry.named(name), options, deadline=deadline()) as reading:
        assert {page.number for page in reading} <= {2}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*PLAIN, "html", "eml"}])
def test_a_damaged_file_is_refused_with_a_code(sandbox: Sandbox, name: str) -> None:
    content = SAMPLES[name]
    for broken in (content[: len(content) // 3], content[:20] + b"\xff" * 200):
        with pytest.raises((DocumentFailed, InvalidInput)) as caught:
            sandbox.inspect(io.BytesIO(broken), registry.named(name), deadline=deadline())
        assert caught.value.code in ("document_broken", "type_mismatch")


@pytest.mark.parametrize("name", sorted(samples.with_nothing()))
def test_a_whole_file_without_words_is_read_as_such(sandbox: Sandbox, name: str) -> None:
    content = samples.with_nothing()[name]
    with sandbox.reading(
        io.BytesIO(content), registry.named(name), ReadOptions(ocr=False), deadline=deadline()
    ) as read:
        pages = list(read)
    assert read.page_count == len(pages)
    assert all(page.method == "none" for page in pages if not page.text)


@pytest.mark.parametrize("name", sorted(samples.with_password()))
def test_a_file_with_a_password_is_refused_with_its_code(sandbox: Sandbox, name: str) -> None:
    content = samples.with_password()[name]
    assert registry.named(name).matches(content[:8192])
    with pytest.raises(DocumentFailed) as caught:
        sandbox.inspect(io.BytesIO(content), registry.named(name), deadline=deadline())
    assert caught.value.code == "document_encrypted"
    with pytest.raises(DocumentFailed) as caught:
        sandbox.inspect(io.BytesIO(content), registry.named(name), deadline=deadline(), password="wrong")
    assert caught.value.code == ("wrong_password" if name in DECRYPTED else "document_encrypted")


@pytest.mark.parametrize("name", DECRYPTED)
def test_a_file_with_a_password_is_read_with_it(sandbox: Sandbox, name: str) -> None:
    """In the child, which may write no file, to the same pages as the file without a password."""
    kind = registry.named(name)
    options = ReadOptions(ocr=False, password="secret")
    content = samples.with_password()[name]
    with sandbox.reading(io.BytesIO(content), kind, options, deadline=deadline()) as reading:
        found = [page.text for page in reading]
    plain = samples.pdf(["one"]) if name == "pdf" else SAMPLES[name]
    assert found == [page.text for page in kind.read(io.BytesIO(plain), ReadOptions(ocr=False), Limits()).pages]
    pages = sandbox.inspect(io.BytesIO(content), kind, deadline=deadline(), password="secret").pages
    assert pages == len(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_format_is_refused_in_words(name: str) -> None:
    kind = registry.named(name)
    for other, content in SAMPLES.items():
        if not kind.matches(content[:8192]):
            try:
                found = kind.inspect(io.BytesIO(content), Limits())
            except UnreadableDocument as error:
                assert error.code in ("document_broken", "type_mismatch", "document_encrypted"), other
            else:
                assert name in {*PLAIN, "html"}, (other, found)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_shape_of_the_contract(name: str) -> None:
    assert checks.faults(registry.named(name)) == []
    assert checks.check_formats() == []


def test_a_member_of_another_shape_is_named() -> None:
    class Wrong:
        name = "NO"
        extensions = ["x"]

    assert len(checks.faults(Wrong())) == 7  # type: ignore[arg-type]


def test_looking_at_formats_imports_no_parser() -> None:
    code = (
        "import sys; from processing.documents import registry; registry.all_formats();"
        "print([m for m in ('pypdfium2', 'docx', 'lxml', 'PIL', 'rapidocr', 'numpy', 'django', 'bs4', 'pptx',"
        "'markdownify', 'oxmsg', 'olefile', 'msoffcrypto', 'doc2docx', 'python_calamine', 'striprtf',"
        "'charset_normalizer') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
