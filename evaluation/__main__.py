"""`python -m evaluation name`: measure how well documents are read and answered about, and print the figures."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from evaluation import answers, reading, tables


class Evaluation(Protocol):
    """A module of this package: what it may be told, and what it does."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int:
        """Measure and print; 1 if something could not be measured. A goal that is not met changes nothing."""
        ...


EVALUATIONS: Mapping[str, Evaluation] = {"reading": reading, "tables": tables, "answers": answers}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="name", help=f"which: {', '.join(EVALUATIONS)}", required=True)
    for name, module in EVALUATIONS.items():
        own = names.add_parser(name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        own.add_argument(
            "--corpus", type=Path, default=Path("../shared/corpus"), help="a directory of documents (%(default)s)"
        )
        module.add_arguments(own)
    options = parser.parse_args()
    if not options.corpus.is_dir():
        print(f"There is no corpus at {options.corpus}: nothing was measured. Say where it is with --corpus.")
        return 0
    # By way of every `finally`, so that no service is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return EVALUATIONS[options.name].run(options)


if __name__ == "__main__":
    raise SystemExit(main())
