"""The app that turns a document and a prompt into an answer."""

import sys

from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    """The app, its name, and what must be right before it starts."""

    name = "processing"
    verbose_name = "Document processing"

    def ready(self) -> None:
        """Stop every command, server and worker whose environment is malformed, with a line that names the variable.
        Registers the checks, what happens to keys when models are deleted, and what is noted of who is locked out."""
        from processing.access import endpoints, limits, lockout  # noqa: F401 -- importing them registers them
        from processing.documents import (
            checks,  # noqa: F401 -- importing it registers it
            registry,
        )
        from processing.runtime.defaults import MalformedVariablesError, defaults
        from processing.runtime.parameters import accept_formats

        accept_formats(name for each in registry.all_formats().values() for name in (each.name, *each.extensions))
        try:
            defaults()
        except MalformedVariablesError as error:
            sys.stderr.write("\n".join(error.lines) + "\n")
            raise SystemExit(2) from None
