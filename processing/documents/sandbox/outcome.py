"""What the end of a reading child means to the client, as an error with a code."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processing.documents.limits import MIB, Limits
from processing.errors import DocumentFailed, InvalidInput, NotFound, ProcessingError, ServiceUnavailable

SENTENCES = {
    "document_broken": "The document is damaged and cannot be read.",
    "document_encrypted": "The document is encrypted and needs a password.",
    "wrong_password": "The password does not open the document.",
    "document_too_complex": "The document is too complex to be read.",
    "memory_limit": "Reading the document took more memory than it may.",
    "cpu_limit": "Reading the document took more computing time than it may.",
    "output_limit": "The document holds more than can be read.",
    "reader_crashed": "The document made its reader crash.",
}
MAX_DETAIL = 300
NEAR_THE_LIMIT = 0.6


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit status, or minus the signal; its greatest resident memory in MiB, and the computing
    time that it took in seconds."""

    status: int
    peak_mb: float
    cpu_seconds: float = 0.0


def failure(header: Mapping[str, Any], _ended: Ended | None) -> ProcessingError:
    """The error that a child reported. Its words are kept if they are printable and few, its code if it is known."""
    code = header.get("code")
    detail = str(header.get("detail") or SENTENCES.get(str(code), ""))[:MAX_DETAIL]
    detail = "".join(each for each in detail if each.isprintable())
    if code == "type_mismatch":
        return InvalidInput(detail, "type_mismatch")
    if code in ("no_such_page", "no_page_picture"):
        return NotFound(detail, str(code))
    if code not in SENTENCES:
        return suspicious()
    return DocumentFailed(detail, code)


def of_death(ended: Ended, limits: Limits) -> ProcessingError:
    """A child that ended without a word: by a limit that the kernel holds, by a fault of its own, or from outside.

    Native code that is refused memory aborts or faults, so a death near the limit is blamed on memory. A SIGKILL far
    from every limit is nothing that the document did (the host was out of memory, or somebody ended the process), so
    that another attempt may succeed.
    """
    signal_number = -ended.status
    if signal_number == signal.SIGXCPU or ended.cpu_seconds >= limits.cpu_seconds:
        return _failed("cpu_limit")
    if ended.peak_mb * MIB > NEAR_THE_LIMIT * limits.memory_bytes:
        return _failed("memory_limit")
    if signal_number == signal.SIGKILL:
        return ServiceUnavailable("The process that read the document was ended from outside.", "reader_killed")
    return _failed("reader_crashed")


def suspicious() -> DocumentFailed:
    """The child said what no sound child says."""
    return _failed("reader_crashed")


def too_much() -> DocumentFailed:
    return _failed("output_limit")


def _failed(code: str) -> DocumentFailed:
    return DocumentFailed(SENTENCES[code], code)
