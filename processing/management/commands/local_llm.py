"""`manage.py local_llm install|start`: a language model on this host."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from modelsregistry.local_llm import install, shelf
from modelsregistry.local_llm.keeper import Keeper, Options
from processing.operations import lifeline

_MB = 1024 * 1024


class Command(BaseCommand):
    help = "Install a language model that runs on this host, or serve it until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        installing = actions.add_parser("install", help="bring a GGUF file into the data directory")
        source = installing.add_mutually_exclusive_group()
        source.add_argument("--path", type=Path, help="a file on this host")
        source.add_argument("--url", default="", help="where to download it from")
        installing.add_argument("--sha256", default="", help="what the file must have; required for --url")
        installing.add_argument("--name", default="", help="what to call it in the data directory")
        installing.add_argument(
            "--projector",
            action="store_true",
            help="the file (llama.cpp calls it mmproj) lets the model that is installed see pictures",
        )
        actions.add_parser("start", help="serve the installed model as local-llm")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "install":
            self._install(options)
        else:
            _start()

    def _install(self, options: dict[str, Any]) -> None:
        source = install.Source(options["path"], options["url"], options["sha256"], options["name"])
        if source == install.Source() and not options["projector"]:
            source = install.DEFAULT
        elif source.path is None and not source.url:
            raise CommandError("Say where the file is: --path or --url.")
        try:
            chosen = install.install(source, projector=options["projector"], progress=_Progress())
        except install.NotInstalledError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Installed {chosen.projector or chosen.model}")
        self.stdout.write(f"SHA-256   {chosen.projector_sha256 or chosen.sha256}")
        if not shelf.runtime_is_there():
            self.stdout.write(f"{_NO_RUNTIME} It takes {_HOW}")


_HOW = "one command: .venv/bin/python -m pip install --require-hashes -r requirements/local_llm.txt"
_NO_RUNTIME = "The package that runs it is not installed."


def _start() -> None:
    lifeline.end_with_server()
    if not shelf.runtime_is_there():
        raise CommandError(f"{_NO_RUNTIME} It takes {_HOW}")
    if shelf.installed() is None:
        raise CommandError("No model is installed. It takes one command: manage.py local_llm install")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    env = settings.ENV
    Keeper(Options(context=env.local_llm_context, idle=env.local_llm_idle), stop).run()


class _Progress:
    """Tells on standard error how far a file has come, once a second at most."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, done: int, of: int | None) -> None:
        if time.monotonic() - self._told < 1.0:
            return
        self._told = time.monotonic()
        share = f" of {of // _MB} ({100 * done // of} %)" if of else ""
        sys.stderr.write(f"{done // _MB}{share} MB\n")
