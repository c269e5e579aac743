"""Which model file is installed: a directory of GGUF files, and a note that says which of them is served."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

_NOTE = "installed.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is ready to be served. `projector` is the file that makes it see pictures (llama.cpp's mmproj)."""

    model: Path
    sha256: str
    projector: Path | None = None
    projector_sha256: str = ""


def directory() -> Path:
    """Where model files are kept."""
    return Path(settings.DATA_DIR) / "models"


def runtime_is_there() -> bool:
    """Whether the package that runs models is installed; it is never imported into this process."""
    return importlib.util.find_spec("xllamacpp") is not None


def missing() -> str:
    """What is missing before a model can be served, as a sentence; empty when nothing is."""
    if installed() is None:
        return "no model is installed."
    return "" if runtime_is_there() else "the package xllamacpp is not installed."


def installed() -> Installed | None:
    """What is to be served; None when nothing is installed, or its file is gone."""
    try:
        note = json.loads((directory() / _NOTE).read_text())
        projector = directory() / note["projector"] if note["projector"] else None
        found = Installed(directory() / note["model"], note["sha256"], projector, note["projector_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.model.is_file() and (projector is None or projector.is_file()) else None


def note(chosen: Installed) -> None:
    """From now on this is what is to be served. Its files are in the directory."""
    words = {
        "model": chosen.model.name,
        "sha256": chosen.sha256,
        "projector": chosen.projector.name if chosen.projector else "",
        "projector_sha256": chosen.projector_sha256,
    }
    draft = directory() / f"{_NOTE}.part"
    with draft.open("w") as file:
        json.dump(words, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory() / _NOTE)


@contextmanager
def lock(purpose: str) -> Iterator[bool]:
    """Hold the directory for one purpose; the value says whether nobody else did. The kernel lets go at a kill."""
    directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory() / f"{purpose}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
