"""`python -m benchmarks [name …]`: measure, and print a Markdown table."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from benchmarks import (
    admin_list,
    answering,
    batches,
    claiming,
    depth,
    latency,
    limits,
    memory,
    peers,
    reading,
    starting,
    status_reads,
    throughput,
    waiting,
    watching,
)
from benchmarks.table import HEAD, Row

CORPUS = Path("../shared/corpus")
MEASUREMENTS: Mapping[str, Callable[[], Iterable[Row]]] = {
    "latency": latency.rows,
    "claiming": claiming.rows,
    "throughput": throughput.rows,
    "waiting": waiting.rows,
    "watching": watching.rows,
    "depth": depth.rows,
    "admin_list": admin_list.rows,
    "status_reads": status_reads.rows,
    "limits": limits.rows,
    "reading": partial(reading.rows, CORPUS),
    "peers": partial(peers.rows, CORPUS, peers.PLACE),
    "pictures": peers.pictures,
    "recognition": peers.recognition,
    "answering": answering.rows,
    "starting": starting.rows,
    "memory": memory.rows,
    "batches": batches.rows,
}


def main() -> int:
    """1 if a measurement could not be made; a goal that is not met changes nothing: these are not tests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(MEASUREMENTS)} (all by default)")
    parser.add_argument(
        "--litellm", type=Path, metavar="VENV", help="a virtual environment with litellm[proxy], to compare with"
    )
    parser.add_argument(
        "--peers", type=Path, metavar="VENV", default=peers.PLACE, help="one with markitdown and pdfminer (%(default)s)"
    )
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a directory of documents (%(default)s)")
    arguments = parser.parse_args()
    names = arguments.names or list(MEASUREMENTS)
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    # By way of every `finally`, so that no service is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load before the start {load:.1f}\n")
    print(HEAD, flush=True)
    own: dict[str, Callable[[], Iterable[Row]]] = {
        "answering": partial(answering.rows, arguments.litellm),
        "reading": partial(reading.rows, arguments.corpus),
        "peers": partial(peers.rows, arguments.corpus, arguments.peers),
    }
    measurements = {**MEASUREMENTS, **own}
    failed = 0
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        try:
            for row in measurements[name]():
                print(row.as_markdown(), flush=True)
        except Exception as error:  # noqa: BLE001 - the other measurements are still worth having
            failed = 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
