"""This project's reader beside others in the same run, each in a process of its own: text, pictures, recognition."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import documents
from benchmarks.service import ROOT
from benchmarks.table import Row

READER = Path(__file__).with_name("reader.py")
PLACE = ROOT / ".venv-peers"
OTHERS = ("pdfminer", "markitdown")
_PAGES, _PICTURED, _SCANNED = 200, 40, 3
_ROUNDS = 3
_GOAL, _GOAL_OF_CORPUS, _GOAL_BEHIND = 1.3, 4.0, 5.0
_GOAL_OF_PICTURES, _GOAL_OF_RECOGNITION = 1.8, 1.1
_PATIENCE = 3600.0  # seconds for one reader


@dataclass(frozen=True, slots=True)
class Run:
    """What a reader took: `mb` is the greatest resident memory of its processes, of ours that of the largest."""

    seconds: float
    pages: int
    mb: float


def rows(corpus: Path, peers: Path) -> Iterator[Row]:
    """Beside a bare loop over the pages: ours, and the others, where they are installed in `peers`; each as soon as it
    is known, since the others take minutes."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        plain = _written(directory, documents.report(_PAGES))
        yield from _texts(f"{_PAGES} plain pages", [plain], _GOAL, peers)
    paths = sorted(corpus.rglob("*.pdf"))
    if not paths:
        yield Row(f"the PDFs of the corpus ({corpus})", "not measured: they are not there")
        return
    yield from _texts(f"{len(paths)} PDFs of the corpus", paths, _GOAL_OF_CORPUS, peers)


def pictures() -> list[Row]:
    """Pages as JPEG for models that see, through the sandbox with their text, beside rendering them and no more."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        path = _written(directory, documents.report(_PICTURED))
        return _beside(f"{_PICTURED} pages as pictures", ("pictures", "bare_pictures"), path, _GOAL_OF_PICTURES)


def recognition() -> list[Row]:
    """Scanned pages recognised in the sandbox, beside the engine alone in a process that has loaded it."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        path = _written(directory, documents.scan(_SCANNED))
        readers = ("recognition", "bare_recognition")
        return _beside(f"{_SCANNED} scanned pages recognised", readers, path, _GOAL_OF_RECOGNITION)


def _written(directory: str, content: bytes) -> Path:
    path = Path(directory) / "document.pdf"
    path.write_bytes(content)
    return path


def _texts(name: str, paths: Sequence[Path], goal: float, peers: Path) -> Iterator[Row]:
    pairs = [_pair(("sandbox", "pypdfium2"), paths, number) for number in range(_ROUNDS)]
    ratios = [ours.seconds / bare.seconds for ours, bare in pairs]
    ratio = statistics.median(ratios)
    ours, bare = pairs[0]
    yield Row(f"{name}: a bare pypdfium2 loop", _figure(bare, bare.pages))
    yield Row(f"{name}: the sandbox", _figure(ours, bare.pages))
    figure = f"{ratio:.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})"
    yield Row(f"{name}: the sandbox beside the bare loop", figure, f"≤ {goal}×", ratio <= goal)
    python = peers / "bin" / "python"
    for other in OTHERS:
        if not python.exists():
            yield Row(f"{name}: {other}", f"not measured: it is not installed in {peers.name}")
            continue
        behind = _run(other, paths, python)
        ours = _run("sandbox", paths)
        times = behind.seconds / ours.seconds
        yield Row(
            f"{name}: {other}",
            f"{_figure(behind, bare.pages)}, {times:.0f}× behind the sandbox",
            f"≥ {_GOAL_BEHIND:.0f}× behind",
            times >= _GOAL_BEHIND,
        )


def _beside(name: str, readers: tuple[str, str], path: Path, goal: float) -> list[Row]:
    pairs = [_pair(readers, [path], number) for number in range(_ROUNDS)]
    ratios = [ours.seconds / bare.seconds for ours, bare in pairs]
    ratio = statistics.median(ratios)
    ours, bare = pairs[0]
    return [
        Row(f"{name}, in the sandbox", _figure(ours, bare.pages)),
        Row(f"{name}, bare", _figure(bare, bare.pages)),
        Row(
            f"{name}: the sandbox beside the bare loop",
            f"{ratio:.2f}× (rounds {min(ratios):.2f}–{max(ratios):.2f})",
            f"≤ {goal}×",
            ratio <= goal,
        ),
    ]


def _pair(readers: tuple[str, str], paths: Sequence[Path], number: int) -> tuple[Run, Run]:
    """Both, one right after the other, in alternating order."""
    if number % 2:
        bare = _run(readers[1], paths)
        return _run(readers[0], paths), bare
    return _run(readers[0], paths), _run(readers[1], paths)


def _run(reader: str, paths: Sequence[Path], python: Path = Path(sys.executable)) -> Run:
    command = [str(python), str(READER), reader, *map(str, paths)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT) if python == Path(sys.executable) else ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{reader} failed: {done.stderr[-500:]}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def _figure(run: Run, pages: int) -> str:
    speed = pages / run.seconds
    shown = f"{speed:.0f} pages/s" if speed >= 2 else f"{1 / speed:.2f} s a page"
    return f"{shown}, {run.mb:.0f} MB at most"
