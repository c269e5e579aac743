"""Formats that misbehave as hostile documents make parsers do; loaded by the servers of tests alone.

The document's first word is the name of what happens.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from processing.documents import ocr
from processing.documents.contract import Contents, Inspection, Page, UnreadableDocument

TARGET = Path(tempfile.gettempdir()) / "written-by-a-document"


def hang() -> Iterator[Page]:
    yield Page(1, str(os.getpid()), "text")
    ctypes.CDLL(None).pause()  # In C, where no Python signal handler would help.


def leave() -> Iterator[Page]:
    yield Page(1, "before", "text")
    os._exit(0)


def segfault() -> Iterator[Page]:
    yield Page(1, "before", "text")
    os.kill(os.getpid(), signal.SIGSEGV)


def hoard() -> Iterator[Page]:
    yield Page(1, str(len(bytearray(4 << 30))), "text")


def hoard_in_c() -> Iterator[Page]:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    while (block := libc.malloc(1 << 26)) is not None:
        ctypes.memset(block, 1, 1 << 26)
    os.abort()
    yield Page(1, "", "none")


def spin() -> Iterator[Page]:
    while True:
        pass
    yield Page(1, "", "none")


def flood() -> Iterator[Page]:
    number = 0
    while True:
        number += 1
        yield Page(number, "x" * (1 << 20), "text")


def huge_page() -> Iterator[Page]:
    yield Page(1, "x" * (1 << 20), "text")


def raise_something() -> Iterator[Page]:
    yield Page(1, "before", "text")
    raise RuntimeError("the words of the document")


def write_a_file() -> Iterator[Page]:
    try:
        TARGET.write_bytes(b"x" * 4096)
    except OSError as error:
        yield Page(1, f"refused {error.errno}", "text")
    TARGET.unlink(missing_ok=True)


def count_backwards() -> Iterator[Page]:
    yield Page(2, "two", "text")
    yield Page(1, "one", "text")


def tell() -> Iterator[Page]:
    """What the child can see: its environment, its open descriptors, its memory score."""
    yield Page(1, "\n".join(f"{key}={value}" for key, value in os.environ.items()), "text")
    kinds = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            kinds.append(str(descriptor.readlink()).split(":")[0])
        except OSError:
            continue  # the listing's own
    yield Page(2, "\n".join(kinds), "text")
    yield Page(3, Path("/proc/self/oom_score_adj").read_text().strip(), "text")


def start_a_child() -> Iterator[Page]:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    yield Page(1, str(pid), "text")
    signal.pause()


def recognise_and_hang() -> Iterator[Page]:
    """Says who it is, waits for its turn at recognition, says so, and keeps it."""
    yield Page(1, str(os.getpid()), "text")
    ocr._wait_for_turn()
    yield Page(2, "recognised", "ocr")
    ctypes.CDLL(None).pause()


def recognise_twice() -> Iterator[Page]:
    ocr._wait_for_turn()
    ocr._wait_for_turn()
    yield Page(1, "", "none")


def speak_nonsense() -> Iterator[Page]:
    for descriptor in range(3, 64):
        try:
            socket.socket(fileno=os.dup(descriptor)).sendall(b"\xff" * 64)
        except OSError:
            continue
    os._exit(0)
    yield Page(1, "", "none")


class Locked:
    """A file that opens with the password which is its content."""

    name = "locked"
    extensions = ("locked",)
    media_type = "application/x-locked"
    modules = ()

    def matches(self, head):
        return True

    def inspect(self, file, limits):
        raise UnreadableDocument("The document is encrypted and needs a password.", "document_encrypted")

    def read(self, file, options, limits):
        if options.password != file.read().decode():
            raise UnreadableDocument("The password does not open the document.", "wrong_password")
        return Contents(1, iter([Page(1, "opened", "text")]))


class Mock:
    name = "mock"
    extensions = ("mock",)
    media_type = "application/x-mock"
    modules = ()

    def warm(self):
        raise RuntimeError("A format that cannot be warmed is read all the same.")

    def matches(self, head):
        return True

    def inspect(self, file, limits):
        return Inspection(len(list(self.read(file, None, limits).pages)))

    def read(self, file, options, limits):
        return Contents(None, globals()[file.read().decode()]())


FORMAT = Mock()
