"""`manage.py export_config`: what administrators set at run time, as JSON on stdout."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from processing.operations import configuration


class Command(BaseCommand):
    help = "Print the configuration that was set at run time, without secrets. `import_config` takes it."

    def handle(self, **_options: Any) -> None:
        self.stdout.write(json.dumps(configuration.export(), indent=2, ensure_ascii=False))
