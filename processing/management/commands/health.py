"""`manage.py health`: how the service is, as JSON on stdout, and by the exit code: 0 while it serves, else 1."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from processing.operations import greeting, looking


class Command(BaseCommand):
    help = "Ask the running service how it is. Exit code 0: it serves; 1: it does not, or nobody answers."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", help="where it is; by default at HOST and PORT of this machine")
        parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="ask until it serves")
        parser.add_argument("--strict", action="store_true", help="`degraded` is not enough: it has to be `healthy`")
        parser.add_argument(
            "--inside", action="store_true", help="ask the database, the storage and the workers, not the web server"
        )

    def handle(self, **options: Any) -> None:
        url = options["url"].rstrip("/") if options["url"] else greeting.local_address()
        headers = {} if options["url"] else greeting.local_headers()
        ask = looking.look_inside if options["inside"] else partial(looking.look, url, headers)

        def is_enough(seen: looking.Look) -> bool:
            return seen.is_healthy if options["strict"] else seen.is_serving

        seen = looking.wait(ask, is_enough, options["wait"])
        self.stdout.write(json.dumps(seen.body, indent=2, ensure_ascii=False))
        raise SystemExit(0 if is_enough(seen) else 1)
