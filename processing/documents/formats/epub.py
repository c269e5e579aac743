"""Electronic books (EPUB 2 and 3)."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar
from urllib.parse import unquote

from processing.documents import containers, hypertext
from processing.documents.contract import Contents, Inspection, Page, ReadOptions
from processing.documents.limits import Limits

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
OCF = "{urn:oasis:names:tc:opendocument:xmlns:container}"
OPF = "{http://www.idpf.org/2007/opf}"
READABLE = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
# Fonts may be obfuscated without the book being encrypted (EPUB 3.3, 4.5).
FONTS = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")


class Epub:
    """A book; its pages are the chapters that it is made of, in the order of its spine."""

    name: ClassVar[str] = "epub"
    extensions: ClassVar[tuple[str, ...]] = ("epub",)
    media_type: ClassVar[str] = "application/epub+zip"
    modules: ClassVar[tuple[str, ...]] = ("charset_normalizer", "bs4", "lxml.etree", "processing.documents.hypertables")

    def matches(self, head: bytes) -> bool:
        return containers.is_zip_of(head, "epub")

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        with containers.archive(file, limits) as archive:
            return Inspection(len(_spine(archive)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        archive = containers.archive(file, limits)
        spine = _spine(archive)
        return Contents(len(spine), _pages(archive, spine, options, limits))


def _spine(archive: zipfile.ZipFile) -> list[str]:
    """The names of the members that are read, in order. Raises `UnreadableDocument`."""
    names = set(archive.namelist())
    if CONTAINER not in names:
        raise containers.another(_kind(archive, names), "epub")
    if ENCRYPTION in names:
        _refuse_encrypted(containers.content(archive, ENCRYPTION))
    root = containers.parsed(containers.content(archive, CONTAINER)).find(f".//{OCF}rootfile")
    path = "" if root is None else root.get("full-path", "")
    if path not in names:
        raise containers.broken()
    package = containers.parsed(containers.content(archive, path))
    items = {each.get("id"): each for each in package.iter(f"{OPF}item")}
    found = []
    for reference in package.iter(f"{OPF}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in READABLE:
            name = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(item.get("href", ""))))
            found += [name] if name in names else []
    if not found:
        raise containers.broken()
    return list(dict.fromkeys(found))


def _kind(archive: zipfile.ZipFile, names: set[str]) -> str | None:
    if "mimetype" in names:
        return containers.MIMETYPES.get(containers.content(archive, "mimetype").decode("ascii", "replace").strip())
    types = "[Content_Types].xml"
    return containers.kind_by_types(containers.content(archive, types)) if types in names else None


def _refuse_encrypted(xml: bytes) -> None:
    algorithms: list[Any] = [
        each.get("Algorithm", "").encode()
        for each in containers.parsed(xml).iter()
        if "EncryptionMethod" in str(each.tag)
    ]
    if any(each not in FONTS for each in algorithms):
        raise containers.encrypted()


def _pages(archive: zipfile.ZipFile, spine: list[str], options: ReadOptions, limits: Limits) -> Iterator[Page]:
    with archive:
        for number, name in enumerate(spine, 1):
            if options.wants(number):
                content = containers.content(archive, name)
                hypertext.refuse_too_long(len(content), limits)
                text = hypertext.to_markdown(hypertext.decoded(content), limits)
                yield Page(number, text, "text" if text else "none")


FORMAT = Epub()
