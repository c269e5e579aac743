"""The corpus script posts every file to a running service and tells how each one ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.outcomes import Outcome, table
from tests import samples
from tests.stack.service import ROOT, RunningService, free_port

pytestmark = pytest.mark.stack


def run(url: str, key: str, corpus: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.corpus", "--url", url, "--corpus", str(corpus), *more]
    environment = {"PATH": os.environ["PATH"], "API_V2_KEY": key}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A directory with a good file, a broken one, and one of a type that is not read."""
    pdf, deeper = tmp_path / "pdf", tmp_path / "invoices" / "deeper"
    pdf.mkdir()
    deeper.mkdir(parents=True)
    (pdf / "two-pages.pdf").write_bytes(samples.pdf(samples.INVOICE, samples.INVOICE))
    (pdf / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is all there is")
    (deeper / "facts.json").write_text("{}")
    return tmp_path


def lines(path: Path) -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in map(json.loads, path.read_text().splitlines())}


def test_it_works(service: RunningService, corpus: Path) -> None:
    out = corpus / "results.jsonl"
    done = run(service.url, service.key, corpus, "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    found = lines(out)
    good = found["pdf/two-pages.pdf"]
    assert (good["ended"], good["pages"], good["attempts"]) == ("completed", 2, 1)
    assert found["pdf/broken.pdf"]["ended"] in ("refused", "failed")
    assert "document_broken" in found["pdf/broken.pdf"]["code"]
    assert found["invoices/deeper/facts.json"]["code"] == "415 unsupported_type"
    assert "| pdf | 2 | 1 |" in done.stdout


def test_a_wrong_key_is_a_refusal_of_every_file(service: RunningService, corpus: Path) -> None:
    done = run(service.url, "sk-of-a-stranger", corpus)
    assert "3 `401 invalid_key`" in done.stdout


def test_a_service_that_is_not_there_is_no_success(corpus: Path) -> None:
    done = run(f"http://127.0.0.1:{free_port()}", "sk-any", corpus)
    assert done.returncode == 1
    assert "no reply" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_table_keeps_what_did_not_end_apart() -> None:
    text = table(
        [
            Outcome("pdf", "a", "completed", pages=4, seconds=2.0, attempts=1),
            Outcome("pdf", "b", "unending"),
            Outcome("pdf", "c", "lost", "ReadTimeout"),
            Outcome("pdf", "d", "failed", "document_broken", attempts=1),
        ]
    )
    assert "| pdf | 4 | 1 | 1 `document_broken` | – | 1 unending, 1 lost | 4 | 0.500 | 0.500 |" in text
