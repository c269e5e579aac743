"""Stores a document of 100 MB and reads it, in a process of its own, and prints by how much its memory grew meanwhile
over what a small one had left in use. Bytes."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from tempfile import TemporaryFile

import django

MIB = 1024 * 1024


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "apiv2project.settings"
    django.setup()
    pass_through(1)  # What is loaded and connected once.
    Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew: proc(5).
    before = memory("VmRSS")
    pass_through(100)
    sys.stdout.write(str(memory("VmHWM") - before))


def pass_through(size: int) -> None:
    """Store a document of so many MiB, read it, delete it."""
    from django.core.files import File

    from processing.documents import blobs

    digest, piece = hashlib.sha256(), os.urandom(MIB)
    with TemporaryFile() as file:
        for _ in range(size):
            digest.update(piece)
            file.write(piece)
        file.flush()
        path = f"documents/9/{size}"
        blobs.documents.put(path, File(file, name="large"))
        with blobs.documents.opened(path, size * MIB, digest.hexdigest()) as copy:
            if os.fstat(copy.fileno()).st_size != size * MIB:
                sys.exit("It came back short.")
        blobs.documents.delete(path)


def memory(name: str) -> int:
    """A line of /proc/self/status. Not `ru_maxrss`, which a process begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
