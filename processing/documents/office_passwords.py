"""Office documents with a password, decrypted in memory: OOXML in its container, and the older Excel format."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, BinaryIO

from processing.documents.containers import broken, opened_compound, refuse_dtd, too_complex
from processing.documents.contract import UnreadableDocument
from processing.documents.in_memory import names_replaced
from processing.documents.limits import Limits

INFO = "EncryptionInfo"
BEGIN_OF_INFO = 8  # bytes of EncryptionInfo (MS-OFFCRYPTO 2.3.4.10) before the XML of agile encryption
ROUNDS = "spinValue"  # as msoffcrypto calls the rounds of hashing that make a key of a password


def decrypted_package(file: BinaryIO, limits: Limits, password: str | None) -> BinaryIO:
    """The OOXML package inside a container. Raises `UnreadableDocument`."""
    needed(password)
    with opened_compound(file) as container:
        if not container.exists(INFO):
            raise broken()
        refuse_dtd(container.openstream(INFO).read()[BEGIN_OF_INFO:])
    from msoffcrypto.format.ooxml import OOXMLFile

    return _decrypted(OOXMLFile, file, limits, password, verify_password=True)


def decrypted_workbook(file: BinaryIO, limits: Limits, password: str | None) -> BinaryIO:
    """A workbook of the older Excel format whose records are encrypted. Raises `UnreadableDocument`."""
    needed(password)
    from msoffcrypto.format import xls97

    with names_replaced(xls97, tempfile=SimpleNamespace(TemporaryFile=io.BytesIO)):
        return _decrypted(xls97.Xls97File, file, limits, password)


def needed(password: str | None) -> None:
    """Raises `UnreadableDocument` where there is no password."""
    if password is None:
        raise UnreadableDocument("The document is encrypted and needs a password.", "document_encrypted")


def wrong() -> UnreadableDocument:
    return UnreadableDocument("The password does not open the document.", "wrong_password")


def unknown_way() -> UnreadableDocument:
    return UnreadableDocument(
        "The document is encrypted in a way that is not decrypted here. Save it without a password.",
        "document_encrypted",
    )


def _decrypted(kind: Any, file: BinaryIO, limits: Limits, password: str | None, **how: bool) -> BinaryIO:
    from msoffcrypto.exceptions import DecryptionError, InvalidKeyError

    plain = io.BytesIO()
    file.seek(0)
    try:
        sealed = kind(file)
        if getattr(sealed, "info", {}).get(ROUNDS, 0) > limits.password_rounds:
            raise too_complex("The document's password takes more computing to check than it may.")
        sealed.load_key(password=password, **how)
        sealed.decrypt(plain)
    except (MemoryError, UnreadableDocument):
        raise
    except InvalidKeyError as error:
        raise wrong() from error
    except DecryptionError as error:
        raise unknown_way() from error
    except Exception as error:
        raise broken() from error
    plain.seek(0)
    return plain
