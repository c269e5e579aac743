"""Archives encrypted for those who hold an identity (age, https://age-encryption.org/v1), as they are written or read.

The library pulls from a file and pushes into another; a pipe and a thread make of that a stream to write to, or to
read.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from processing.operations.backup.errors import BackupFailedError, RestoreRefusedError

_MAGIC = b"age-encryption.org/v1\n"


def make_identity(path: Path) -> str:
    """Write a new identity to `path`, which must not exist, for its owner alone; returns its recipient."""
    identity = _library().x25519.Identity.generate()
    recipient = str(identity.to_public())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"# public key: {recipient}\n{identity}\n")
        file.flush()
        os.fsync(file.fileno())
    return recipient


@contextlib.contextmanager
def writing(out: BinaryIO, recipients: Sequence[str]) -> Iterator[BinaryIO]:
    """A stream whose bytes arrive in `out`, encrypted where there are recipients. Raises `BackupFailedError` for a
    recipient that is none, and whatever writing to `out` raises."""
    if not recipients:
        yield out
        return
    age = _library()
    try:
        known = [age.x25519.Recipient.from_str(each) for each in recipients]
    except age.RecipientError:
        raise BackupFailedError("A recipient is the public key of an identity, such as age1…") from None
    source, entry = _pipe()
    noting = _Noting(out)
    worker = _Worker(lambda: age.encrypt_io(source, noting, known), source)
    try:
        with entry:
            yield entry
    except BrokenPipeError:  # what follows from the other thread's failure, which says more
        worker.wait()
        raise (noting.failure or worker.failure or BackupFailedError("The archive could not be encrypted.")) from None
    worker.wait()
    if failure := noting.failure or worker.failure:
        raise failure


@contextlib.contextmanager
def reading(path: Path, identity: Path | None) -> Iterator[BinaryIO]:
    """The archive's bytes, decrypted where it is encrypted. Raises `RestoreRefusedError`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise RestoreRefusedError(f"{path}: {error.strerror}") from None
    with file:
        is_sealed = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        if not is_sealed:
            yield file
            return
        if identity is None:
            raise RestoreRefusedError("The archive is encrypted. Say which file has the identity: --identity FILE")
        age = _library()
        known = _identities(age, identity)
        out, sink = _pipe()
        worker = _Worker(lambda: age.decrypt_io(file, sink, known), sink)
        failure: BaseException | None = None
        try:
            yield out
        finally:
            failure = worker.failure  # before the stream is closed, which a worker that still writes fails by
            with contextlib.suppress(OSError):
                out.close()
            worker.wait()
            if failure is not None:
                raise RestoreRefusedError(
                    "The archive cannot be decrypted: it is damaged, or it was made for another identity."
                ) from None


class _Worker:
    """A thread that works at one end of a pipe and closes it, by which the other end sees that it is done."""

    def __init__(self, work: Callable[[], None], end: BinaryIO) -> None:
        self.failure: BaseException | None = None
        self._work = work
        self._end = end
        self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
            self._end.flush()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.failure = error
        finally:
            with contextlib.suppress(OSError):
                self._end.close()


class _Noting:
    """A file whose errors are remembered: the library says no more than that there was one."""

    def __init__(self, file: BinaryIO) -> None:
        self.failure: OSError | None = None
        self._file = file

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    out, into = os.pipe()
    return os.fdopen(out, "rb"), os.fdopen(into, "wb")


def _identities(age: Any, path: Path) -> list[Any]:
    try:
        lines = path.read_text().splitlines()
        found = [age.x25519.Identity.from_str(line.strip()) for line in lines if line.strip() and line[0] != "#"]
    except (OSError, UnicodeDecodeError, age.IdentityError):
        found = []
    if not found:
        raise RestoreRefusedError(f"{path} is no file with an identity (AGE-SECRET-KEY-1…).")
    return found


def _library() -> Any:
    return importlib.import_module("pyrage")
