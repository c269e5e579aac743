"""A provider for chaos runs: it takes as long as the prompt says, answers with the task's number, and counts."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.modelsregistry import stand_in

_ASKED = re.compile(rb"Task (\d+) waits (\d+\.\d) seconds")


def prompt_of(number: int, wait: float) -> str:
    """What `Upstream` understands."""
    return f"Task {number} waits {wait:.1f} seconds. What is the total amount due?"


def answer_to(number: int) -> str:
    """What the task's answer says if it is the task's own."""
    return f"Answer {number}."


class Upstream:
    """`calls` counts the questions of each task. While `answering` is cleared, nobody gets an answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v1"
        self.calls: Counter[int] = Counter()
        self.lock = threading.Lock()
        self.answering = threading.Event()
        self.answering.set()


class _Exchange(stand_in.Exchange):
    server: _Server  # type: ignore[assignment]

    def do_POST(self) -> None:  # noqa: N802  (the name that http.server looks for)
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = _ASKED.search(raw)
        assert asked, raw
        number = int(asked[1])
        with self.server.upstream.lock:
            self.server.upstream.calls[number] += 1
        time.sleep(float(asked[2]))
        self.server.upstream.answering.wait()
        stand_in.answer(answer_to(number))(self)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    upstream: Upstream

    def handle_error(self, *args: Any) -> None:
        """A worker that was killed hangs up."""


@contextmanager
def running() -> Iterator[Upstream]:
    """The provider on a free loopback port, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Exchange)
    server.upstream = Upstream(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.upstream
    finally:
        server.upstream.answering.set()
        server.shutdown()
        thread.join()
        server.server_close()
