"""`manage.py parameter_table`: docs/parameters.md on stdout."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from processing.operations import parameter_table


class Command(BaseCommand):
    help = "Print docs/parameters.md, made from the parameters themselves."

    def handle(self, **_options: Any) -> None:
        self.stdout.write(parameter_table.markdown(), ending="")
