"""A service under documents that attack their reader, with a task at work all the while that must notice nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack.processes import Parts, readers, until
from tests.stack.service import RunningService, running_service
from tests.stack.test_work import PATIENCE, Caller

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.stack.hostile_settings"}
WORKERS = 3
DAY = 86_400  # seconds: the bystander has no deadline that a test could reach

# What a document does, and the code that its task ends with.
ENDS = {
    "segfault": "reader_crashed",
    "leave": "reader_crashed",
    "speak_nonsense": "reader_crashed",
    "raise_something": "document_broken",
    "hoard": "memory_limit",
    "hoard_in_c": "memory_limit",
    "spin": "cpu_limit",
    "compute_in_c": "cpu_limit",
    "flood": "output_limit",
}


@dataclass
class Besieged:
    """A service whose `bystander` asks a model from the beginning on, until `release` is set."""

    service: RunningService
    caller: Caller
    upstream: StandIn
    bystander: str
    release: threading.Event

    @property
    def parts(self) -> Parts:
        return Parts(self.service)

    def dead_workers(self) -> int:
        """How many workers died; one that ends in good order after its share of tasks is none."""
        return self.service.log().count("worker died")

    def readers(self) -> list[Any]:
        """The processes that read a document now."""
        return [reader for worker in self.parts.playing("worker") for reader in readers(worker)]

    def submit(self, how: str, **fields: str) -> str:
        return self.caller.submit("attack.hostile", how.encode(), **{"model": "local", **fields})

    def good_document(self) -> dict[str, Any]:
        return self.caller.ended(self.caller.submit("good.txt", b"The total is 7.00 EUR.", model="local"))

    def let_bystander_end(self) -> dict[str, Any]:
        self.release.set()
        return self.caller.ended(self.bystander)


@contextmanager
def besieged(data_dir: Path, **more: str) -> Iterator[Besieged]:
    """Such a service, with its bystander at work; `more` is variables of its environment."""
    asked, release = threading.Event(), threading.Event()

    def held_up(exchange: Exchange) -> None:
        exchange.head(200, "text/event-stream")
        asked.set()
        while not (release.wait(0.2) or upstream.released.is_set()):
            exchange.wfile.write(stand_in.chunk("At ").encode())
        for event in (stand_in.chunk("last.", finish_reason="stop"), "data: [DONE]\n\n"):
            exchange.wfile.write(event.encode())

    with stand_in.running("reader", "viewer") as upstream:
        upstream.script(held_up, stand_in.answer("108.00 EUR"))
        variables = {
            **SETTINGS,
            **upstream.variables,
            "API_V2_MAX_CONCURRENT": WORKERS,
            "API_V2_TIMEOUT": DAY,
            **more,
        }
        with running_service(data_dir, **variables) as service:
            Caller(service, admin=True).configure(supported_formats=["txt", "pdf", "hostile"])
            caller = Caller(service)
            until(lambda: Parts(service).all_there(WORKERS))
            bystander = caller.submit("bystander.txt", b"The total is 7.00 EUR.", model="reader")
            assert asked.wait(PATIENCE)
            yield Besieged(service, caller, upstream, bystander, release)
