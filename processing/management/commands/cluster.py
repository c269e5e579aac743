"""`manage.py cluster`: the workers of this host."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from processing.operations import lifeline
from processing.queue import supervisor


class Command(BaseCommand):
    help = "Run the workers that process documents, until SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:
        lifeline.end_with_server()
        raise SystemExit(supervisor.run())
