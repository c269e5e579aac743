"""`python -m benchmarks.corpus`: post every file of a directory to a running service and tell how each one ended.

Every file is posted, those of unsupported types too: that they are refused is a result. The exit code is 1 if a task
did not end, a request had no reply, a task was taken up more than once (its worker died), or no worker was left.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from benchmarks.client import Client, RefusedError, UnendingError
from benchmarks.outcomes import Outcome, table

KINDS = ("pdf", "docx", "images", "receipts", "invoices", "olmocr")
_EVERY = 0.1  # seconds between two looks at a task


def main() -> int:
    """Post, wait, print."""
    options = _options()
    files = list(_files(options.corpus, options.kinds))
    if not files:
        sys.exit(f"There are no files in {', '.join(options.kinds)} of {options.corpus}.")
    with Client(options.url, options.key) as client:
        in_flight = options.in_flight or 2 * _health(client)["max_concurrent"]
        print(f"{len(files)} files, {in_flight} in flight, model {options.model}\n", file=sys.stderr)
        started = time.monotonic()
        outcomes = _post_all(client, files, options, in_flight)
        print(table(outcomes))
        print(f"\n{len(outcomes)} files in {time.monotonic() - started:.0f} s, {in_flight} in flight.")
        if options.out:
            options.out.write_text("".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in outcomes))
        return _verdict(outcomes, str(_health(client)["services"]["workers"]))


def _health(client: Client) -> dict[str, Any]:
    """What the service says of itself; ends the program where it says nothing."""
    try:
        return client.health()
    except (httpx.HTTPError, ValueError) as error:
        sys.exit(f"The service gives no reply about its health: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("API_V2_URL", "http://127.0.0.1:3000"))
    parser.add_argument("--key", default=os.environ.get("API_V2_KEY"), help="by default API_V2_KEY")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"), help="a directory of directories")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), help="which of them")
    parser.add_argument("--prompt", default="What is this document about?")
    parser.add_argument("--model", default="local")
    parser.add_argument("--in-flight", type=int, help="tasks at the same time; by default twice what the service runs")
    parser.add_argument("--deadline", type=float, default=900.0, help="seconds that one file may take to its end")
    parser.add_argument("--out", type=Path, help="write a JSON line for every file here")
    options = parser.parse_args()
    if not options.key:
        parser.error("give --key or API_V2_KEY")
    return options


def _files(corpus: Path, kinds: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The kind and the path of each file, in an order that does not change."""
    for kind in kinds:
        yield from ((kind, path) for path in sorted((corpus / kind).rglob("*")) if path.is_file())


def _post_all(
    client: Client, files: Sequence[tuple[str, Path]], options: argparse.Namespace, in_flight: int
) -> list[Outcome]:
    """The outcomes in the order of the files. A thread for each file in flight; each waits for its own."""
    with ThreadPoolExecutor(in_flight) as pool:
        futures = [pool.submit(_post, client, kind, path, options) for kind, path in files]
        for number, _ in enumerate(as_completed(futures), 1):
            if number % 25 == 0:
                print(f"{number} of {len(files)}", file=sys.stderr)
        return [future.result() for future in futures]


def _post(client: Client, kind: str, path: Path, options: argparse.Namespace) -> Outcome:
    name = str(path.relative_to(options.corpus))
    deadline = time.monotonic() + options.deadline
    try:
        task = _submit(client, path, options, deadline)
        status = client.wait(task, every=_EVERY, deadline=deadline)
    except RefusedError as refusal:
        return Outcome(kind, name, "refused", f"{refusal.status} {refusal.code}".strip())
    except UnendingError:
        return Outcome(kind, name, "unending")
    except (httpx.HTTPError, ValueError) as error:
        return Outcome(kind, name, "lost", type(error).__name__)
    return Outcome(
        kind,
        name,
        ended=status["status"],
        code=status["error_code"] or "",
        pages=status["file_info"]["pages"],
        seconds=status["processing_time"],
        attempts=status["attempts"],
    )


def _submit(client: Client, path: Path, options: argparse.Namespace, deadline: float) -> str:
    """The task's id; a refusal for the rate alone is waited out."""
    while True:
        try:
            return client.submit(path.name, path.read_bytes(), options.prompt, options.model)
        except RefusedError as refusal:
            pause = refusal.retry_after or 1.0
            if refusal.status != httpx.codes.TOO_MANY_REQUESTS or time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)


def _verdict(outcomes: Sequence[Outcome], workers: str) -> int:
    """Say whether all is well, and the exit code for it."""
    troubles = [f"{each.name}: {each.ended} {each.code}" for each in outcomes if each.ended in ("unending", "lost")]
    troubles += [f"{each.name}: taken up {each.attempts} times" for each in outcomes if each.attempts > 1]
    troubles += [] if workers == "healthy" else [f"workers: {workers}"]
    print("\n".join(troubles) or "All have ended; each task was taken up once; the workers are alive.")
    return 1 if troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
