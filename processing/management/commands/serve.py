"""`manage.py serve`: the whole service, web server and workers, under one process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from modelsregistry.local_llm import offer, shelf
from processing.operations import first_run, greeting, listening
from processing.operations.data_directory import DataDirectoryInUseError, held
from processing.operations.serving import ProcessTree, Service

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Serve the API and process documents until Ctrl-C. Makes the data directory ready first."
    requires_system_checks = ()  # `make lint` and the tests run them; here they would cost every start its time

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="post a sample document and show the answer")

    def handle(self, **options: Any) -> None:
        os.umask(0o077)  # documents, prompts and keys are the owner's alone, whatever the data directory's own mode
        env = settings.ENV
        try:
            for port in filter(None, (env.port, env.streams_port)):
                listening.require_free(env.host, port)
            if env.metrics_port is not None:
                listening.require_free(env.metrics_host or env.host, env.metrics_port)
            with held(settings.DATA_DIR):
                made = first_run.prepare(settings.VARIABLES, self._say)
                connections.close_all()
                if made:
                    self._say(greeting.of_credentials(made))
                code = self._serve(demo=options["demo"])
        except (listening.AddressUnavailableError, DataDirectoryInUseError) as error:
            raise CommandError(str(error), returncode=listening.EXIT_CONFIGURATION) from None
        except ImproperlyConfigured as error:  # a variable that the models' provider is described by
            raise CommandError(str(error), returncode=2) from None
        raise SystemExit(code)

    def _serve(self, *, demo: bool) -> int:
        services = [
            Service("web", (sys.executable, "-m", "apiv2project.web"), settings.BASE_DIR),
            Service("workers", (sys.executable, "manage.py", "cluster"), settings.BASE_DIR),
        ]
        if settings.ENV.streams_port is not None:
            services.append(Service("streams", (sys.executable, "-m", "apiv2project.streams"), settings.BASE_DIR))
        if settings.ENV.metrics_port is not None:
            services.append(Service("metrics", (sys.executable, "-m", "apiv2project.metrics"), settings.BASE_DIR))
        if self._has_local_llm():
            services.append(
                Service("local LLM", (sys.executable, "manage.py", "local_llm", "start"), settings.BASE_DIR)
            )
        tree = ProcessTree(services)
        tree.stop_on_signals()
        self._say("Starting …")
        threading.Thread(target=greeting.greet, args=(self._say,), kwargs={"demo": demo}, daemon=True).start()
        code = tree.run()
        self._say("Stopped.")
        return code

    def _has_local_llm(self) -> bool:
        reason = "API_V2_LOCAL_LLM is off." if settings.ENV.local_llm == "off" else shelf.missing()
        if reason:
            logger.info("local LLM is not started", extra={"reason": reason})
            offer.withdraw(reason)
            connections.close_all()
        return not reason

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
