"""`manage.py endpoint_table`: docs/API_V2_ENDPOINTS.md on stdout."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from processing.api import endpoints_page


class Command(BaseCommand):
    help = "Print docs/API_V2_ENDPOINTS.md, made from the OpenAPI description."

    def handle(self, **_options: Any) -> None:
        self.stdout.write(endpoints_page.markdown(), ending="")
