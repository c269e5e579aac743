"""Documents of the older, binary Word format, made into packages in memory by doc2docx.

The library converts files into files. Its version is pinned exactly, because its own names are replaced here by others
that take bytes and give bytes.
"""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, BinaryIO

from processing.documents.containers import broken
from processing.documents.in_memory import names_replaced
from processing.documents.office_passwords import needed, unknown_way, wrong

UNKNOWN_WAY = "unsupported"  # how the library's words about an encryption begin that it does not know
NOWHERE = "/nowhere.docx"  # is never opened, and removed in vain


class _ConvertedError(Exception):
    """Leaves the conversion where it would begin to write; holds what it would write."""

    def __init__(self, document: Any) -> None:
        super().__init__()
        self.document = document


def package(file: BinaryIO, password: str | None) -> BinaryIO:
    """The document as a package (docx). Raises `UnreadableDocument`."""
    from doc2docx.errors import EncryptedDocumentError

    file.seek(0)
    try:
        return _written(_converted(file.read(), password))
    except EncryptedDocumentError as error:
        needed(password)
        raise (unknown_way() if str(error).startswith(UNKNOWN_WAY) else wrong()) from error
    except MemoryError:
        raise
    except Exception as error:
        raise broken() from error


def _converted(content: bytes, password: str | None) -> Any:
    from doc2docx import converter

    compound = converter.CompoundFile(content)
    with names_replaced(
        converter,
        CompoundFile=SimpleNamespace(from_path=lambda *_, **__: compound),
        tempfile=SimpleNamespace(NamedTemporaryFile=_no_file),
        write_docx=_stop,
    ):
        try:
            converter.convert("document.doc", NOWHERE, password=password)
        except _ConvertedError as done:
            return done.document
    raise broken()


def _stop(document: Any, _path: Any) -> None:
    raise _ConvertedError(document)


def _no_file(**_: Any) -> Any:
    file = io.BytesIO()
    file.name = NOWHERE
    return file


def _written(document: Any) -> BinaryIO:
    from doc2docx.ooxml import package as packages

    buffer = io.BytesIO()
    with names_replaced(packages, Path=lambda given: given):
        packages.write_docx(document, buffer)
    buffer.seek(0)
    return buffer
