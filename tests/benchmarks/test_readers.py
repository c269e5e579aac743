"""Each reader of the measurements runs in a process of its own, and says what it took."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import READER
from tests import samples
from tests.stack.service import ROOT


@pytest.mark.parametrize("name", ["pypdfium2", "sandbox", "bare_pictures", "pictures"])
def test_it_works(name: str, tmp_path: Path) -> None:
    """A file that is broken counts as read, and as no page."""
    good, broken = tmp_path / "good.pdf", tmp_path / "broken.pdf"
    good.write_bytes(samples.pdf(samples.INVOICE, samples.INVOICE))
    broken.write_bytes(b"%PDF-1.7\nthis is all there is")
    command = [sys.executable, str(READER), name, str(good), str(broken)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100)
    took = json.loads(done.stdout)
    assert took["pages"] == 2, done.stderr
    assert took["seconds"] > 0
    assert took["mb"] > 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's memory apart from its parent's")
def test_memory_of_the_process_that_starts_a_reader_is_not_counted(tmp_path: Path) -> None:
    document = tmp_path / "good.pdf"
    document.write_bytes(samples.pdf(samples.INVOICE))
    command = [sys.executable, str(READER), "pypdfium2", str(document)]
    start = f"held = bytearray(300_000_000); import subprocess; subprocess.run({command})"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=100)
    assert json.loads(done.stdout)["mb"] < 200, done.stderr
