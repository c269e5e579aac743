"""From a Word package that is safe to open to its pages."""

from __future__ import annotations

from typing import BinaryIO

from processing.documents.containers import broken
from processing.documents.contract import UnreadableDocument


def pages(package: BinaryIO) -> list[str]:
    """The Markdown of each page, by python-docx. Raises `UnreadableDocument`."""
    import docx

    from processing.documents.word import pages

    try:
        return pages.whole(docx.Document(package))
    except ValueError as error:
        if "is not a Word file" in str(error):
            raise UnreadableDocument("The file is not a Word document.", "type_mismatch") from error
        raise broken() from error
    except (MemoryError, UnreadableDocument):
        raise
    except Exception as error:
        raise broken() from error
