"""A file is what its name and its content agree on."""

from __future__ import annotations

from types import ModuleType

import pytest

from processing.documents import registry
from processing.errors import InvalidInput
from tests.documents import samples
from tests.documents.mocks import Mock

SUPPORTED = sorted(registry.all_formats())
BLOCKED = [".exe", "SH", ".bat", ".ps1"]
SAMPLES = samples.one_of_each()


def refusal(filename: str, head: bytes, supported: list[str] = SUPPORTED) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        registry.identify(filename, head, supported=supported, blocked=BLOCKED)
    return caught.value


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_it_works(name: str) -> None:
    for extension in registry.named(name).extensions:
        for filename in (f"a.{extension}", f"A b.c.{extension.upper()}"):
            assert registry.identify(filename, SAMPLES[name], supported=SUPPORTED, blocked=BLOCKED).name == name


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"md", "csv", "tsv"}))
def test_without_an_extension_the_content_decides(name: str) -> None:
    assert registry.identify("README", SAMPLES[name], supported=SUPPORTED, blocked=BLOCKED).name == name
    assert registry.identify(".hidden", SAMPLES[name], supported=SUPPORTED, blocked=BLOCKED).name == name


@pytest.mark.parametrize("supported", [["jpg"], ["jpeg"], [".JPEG"]])
@pytest.mark.parametrize("filename", ["a.jpg", "a.jpeg"])
def test_either_name_of_a_jpeg_allows_both(supported: list[str], filename: str) -> None:
    assert registry.identify(filename, SAMPLES["jpg"], supported=supported, blocked=[]).name == "jpg"


@pytest.mark.parametrize(
    "filename",
    ["a.exe", "a.EXE", "report.pdf.exe", "report.exe.pdf", "a.sh", "a.exe.", "a.exe ", "dir/a.bat", "c:\\x\\a.ps1"],
)
def test_a_blocked_extension_is_refused_wherever_it_stands(filename: str) -> None:
    assert refusal(filename, SAMPLES["pdf"]).code == "blocked_type"


def test_a_directory_is_no_extension() -> None:
    assert registry.identify("x.exe/a.pdf", SAMPLES["pdf"], supported=SUPPORTED, blocked=BLOCKED).name == "pdf"


def test_an_unknown_type_is_told_what_is_supported() -> None:
    error = refusal("a.xyz", b"abc")
    assert error.code == "unsupported_type"
    assert "docx" in error.detail
    assert refusal("a.pdf", SAMPLES["pdf"], ["txt"]).code == "unsupported_type"
    assert refusal("noname", b"\x7fELF" + bytes(99)).code == "unsupported_type"


@pytest.mark.parametrize(
    ("filename", "head", "word"),
    [
        ("a.pdf", SAMPLES["png"], "png"),
        ("a.pdf", b"MZ\x90\0" + bytes(60), "exe"),
        ("a.pdf", b"MZ\x90\0%PDF-1.4" + bytes(60), ""),
        ("a.png", SAMPLES["jpg"], "jpg"),
        ("a.txt", SAMPLES["pdf"], "pdf"),
        ("a.docx", b"just words", "plain text"),
        ("a.docx", SAMPLES["xlsx"], "xlsx"),
        ("a.xlsx", SAMPLES["pptx"], "pptx"),
        ("a.odt", SAMPLES["ods"], "ods"),
        ("a.docx", SAMPLES["epub"], "epub"),
        ("a.xls", SAMPLES["msg"], "msg"),
        ("a.csv", SAMPLES["html"], ""),
        ("a.html", b"no tags at all", "plain text"),
        ("a.eml", b"Dear all,\n\nwords", "plain text"),
    ],
)
def test_an_extension_that_lies_is_refused(filename: str, head: bytes, word: str) -> None:
    error = refusal(filename, head)
    assert error.code == "type_mismatch"
    assert word in error.detail


@pytest.mark.parametrize(("filename", "instead"), [("a.doc", "docx"), ("a.ppt", "pptx"), ("photo.HEIC", "jpg")])
def test_what_is_not_read_is_told_what_to_save_it_as(filename: str, instead: str) -> None:
    error = refusal(filename, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ["pdf", "docx"])
    assert error.code == "unsupported_type"
    assert f"Save it as {instead}" in error.detail


def test_an_empty_file_is_refused() -> None:
    assert refusal("a.txt", b"").code == "empty_file"


def test_two_formats_that_claim_the_same_are_an_error() -> None:
    def module(name: str, *extensions: str) -> ModuleType:
        made = ModuleType(name)
        member = Mock()
        member.name, member.extensions = name, extensions
        made.FORMAT = member  # type: ignore[attr-defined]
        return made

    with pytest.raises(ValueError, match="claim"):
        registry.collect([module("a", "x"), module("b", "x")])
    with pytest.raises(ValueError, match="named"):
        registry.collect([module("a", "x"), module("a", "y")])
