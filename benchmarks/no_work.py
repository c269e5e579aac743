"""Takes the work out of the workers of this process tree, so that what is left is the queue."""

from __future__ import annotations

from django.apps import AppConfig


class NoWork(AppConfig):
    """Puts an answer in the place of the pipeline."""

    name = "benchmarks"

    def ready(self) -> None:
        from processing.pipeline import run
        from processing.tasks.lifecycle import Outcome

        run.run = lambda *_: Outcome({"content": ""}, "none", None, 0, 0, None)
