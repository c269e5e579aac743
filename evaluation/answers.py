"""Asks the built-in model about labelled invoices and receipts, over HTTP, and prints how often it is right.

The corpus holds `invoices/*.{pdf,txt}` and `receipts/*.jpg`, each with a `.json` of the true values beside it. A
citation counts as verbatim when its text, blanks apart, stands on the page it names, in the reading that the same
service gives for "Extract the text"; it holds the value when the true value is written in it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.client import Client, RefusedError, UnendingError
from benchmarks.compare import holds_date, holds_number, same_date, same_name, same_number
from benchmarks.service import fresh_service
from processing.pipeline.evidence import plain

READING_PROMPT = "Extract the text"


@dataclass(frozen=True)
class Asked:
    """One question about one kind of document: the JSON key of the true value, how an answer is compared with it, and
    how it is looked for in a citation."""

    key: str
    prompt: str
    right: Callable[[str, str], bool]
    held: Callable[[str, str], bool]


@dataclass
class Tally:
    """Counts for one question over all documents."""

    asked: int = 0
    right: int = 0
    cited: int = 0
    verbatim: int = 0
    holding: int = 0
    seconds: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)


def ask(client: Client, document: Path, prompt: str, timeout: float) -> dict[str, Any]:
    """The finished task's body. Raises `RuntimeError` if it does not complete."""
    task = client.submit(document.name, document.read_bytes(), prompt)
    body = client.wait(task, every=0.2, deadline=time.monotonic() + timeout)
    if body["status"] != "completed":
        raise RuntimeError(f"{body['status']} {body.get('error_code')}")
    return body


QUESTIONS = {
    "invoices": (
        Asked("amount", "What is the total amount?", same_number, holds_number),
        Asked("date", "What is the date?", same_date, holds_date),
        Asked("invoice_number", "What is the invoice number?", same_name, same_name),
        Asked("issuer", "Who issued this invoice?", same_name, same_name),
    ),
    "receipts": (
        Asked("total", "What is the total?", same_number, holds_number),
        Asked("date", "What is the date?", same_date, holds_date),
        Asked("company", "What is the company?", same_name, same_name),
    ),
}


def documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every document of a folder with its true values."""
    for truth in sorted(folder.glob("*.json")):
        values = json.loads(truth.read_text())
        for suffix in (".pdf", ".jpg", ".txt"):
            document = truth.with_suffix(suffix)
            if document.exists():
                yield document, values[0] if isinstance(values, list) else values
                break


def pages_of(reading: str) -> dict[int, str]:
    """The pages of a reading by number, each on one line; a reading without page marks is page 1."""
    parts = re.split(r"^\[Page (\d+)\]$", reading, flags=re.MULTILINE)
    if len(parts) == 1:
        return {1: squeeze(reading)}
    return {int(number): squeeze(text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def squeeze(text: str) -> str:
    """Without blanks and without Markdown's marks, which a citation leaves out."""
    return re.sub(r"\s+", "", plain(text))


def evaluate(
    client: Client, document: Path, truth: dict[str, Any], asked: tuple[Asked, ...], timeout: float
) -> dict[str, Tally]:
    """One document's answers, compared with its true values and its own pages."""
    pages = pages_of(ask(client, document, READING_PROMPT, timeout)["result"]["content"])
    tallies: dict[str, Tally] = {}
    for question in asked:
        if truth.get(question.key) is None:
            continue
        body = ask(client, document, question.prompt, timeout)
        answer = body["result"]["content"].split(" (page")[0]
        citations = body["result"].get("citations") or []
        tally = tallies[question.prompt] = Tally(asked=1, seconds=[float(body.get("processing_time") or 0.0)])
        value = str(truth[question.key])
        if question.right(answer, value):
            tally.right = 1
        else:
            tally.misses.append(f"{document.name}: {value!r}, answered {answer[:80]!r}")
        tally.cited = 1 if citations else 0
        tally.verbatim = int(
            bool(citations) and all(squeeze(entry["text"]) in pages.get(entry["page"], "") for entry in citations)
        )
        tally.holding = int(any(question.held(entry["text"], value) for entry in citations))
    return tallies


def merged(results: list[dict[str, Tally]]) -> dict[str, Tally]:
    totals: dict[str, Tally] = defaultdict(Tally)
    for result in results:
        for prompt, tally in result.items():
            total = totals[prompt]
            total.asked += tally.asked
            total.right += tally.right
            total.cited += tally.cited
            total.verbatim += tally.verbatim
            total.holding += tally.holding
            total.seconds += tally.seconds
            total.misses += tally.misses
    return totals


def report(kind: str, totals: dict[str, Tally]) -> None:
    for prompt, tally in totals.items():
        seconds = sum(tally.seconds) / max(len(tally.seconds), 1)
        print(
            f"{kind:9} {prompt:30} right {tally.right}/{tally.asked}  "
            f"citation verbatim {tally.verbatim}, holding the value {tally.holding} of {tally.cited} cited  "
            f"{seconds:.2f} s each",
            flush=True,
        )
        for miss in tally.misses:
            print(f"          - {miss}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default=os.environ.get("API_V2_URL", ""), help="a running service's; or $API_V2_URL")
    parser.add_argument("--key", default=os.environ.get("API_V2_KEY", ""), help="an API key of it; or $API_V2_KEY")
    parser.add_argument("--only", choices=list(QUESTIONS), help="one kind of document")
    parser.add_argument("--parallel", type=int, default=2, help="documents in flight at once (%(default)s)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds to wait for one task (%(default)s)")


def run(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        url, key = options.url, options.key
        if not url:
            # A reading serves all questions about its document, as by default: recognising it takes seconds.
            service = stack.enter_context(fresh_service(ENABLE_PROCESSING_CACHE="true"))
            url, key = service.url, service.new_key()
        client = stack.enter_context(Client(url, key))
        failures = sum(_evaluate_kind(client, kind, options) for kind in QUESTIONS if options.only in (None, kind))
    return 1 if failures else 0


def _evaluate_kind(client: Client, kind: str, arguments: argparse.Namespace) -> int:
    """Print the shares for one folder; the number of its documents that got no answer."""
    asked = QUESTIONS[kind]
    results: list[dict[str, Tally]] = []
    failures = 0
    pool = ThreadPoolExecutor(arguments.parallel)
    try:
        futures = {
            document.name: pool.submit(evaluate, client, document, truth, asked, arguments.timeout)
            for document, truth in documents(arguments.corpus / kind)
        }
        for name, future in futures.items():
            try:
                results.append(future.result())
            except (RuntimeError, RefusedError, UnendingError, httpx.HTTPError) as error:
                failures += 1
                print(f"{kind:9} {name}: {type(error).__name__} {error}", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)
    report(kind, merged(results))
    return failures
