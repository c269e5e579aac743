"""A way to a server that fails as networks do: it refuses, it hangs, or it breaks off in the middle of an answer."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from enum import Enum

_PIECE = 16 * 1024


class Mood(Enum):
    """What becomes of a new connection."""

    FINE = "all passes"
    GONE = "it is closed at once"
    HANGING = "nothing is ever answered"
    CUTTING = "answers break off after `cut_after` bytes"
    LOSING = "requests break off after `cut_after` bytes"


class Proxy:
    """Listens on a port of loopback while it is open; the mood may change at any time, for connections to come. `heard`
    is given what the clients send, piece by piece."""

    def __init__(self, target: int, heard: list[bytes] | None = None) -> None:
        self._target = target
        self._heard = heard
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.mood = Mood.FINE
        self.cut_after = 0
        self.cuts_left = 10**9
        self.somebody_waits = threading.Event()
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def become(self, mood: Mood) -> None:
        """Change the mood, and end connections that are kept alive."""
        self.mood = mood
        self._end_all()

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()

    def _end_all(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self.mood), daemon=True).start()

    def _serve(self, client: socket.socket, mood: Mood) -> None:
        self._open.add(client)
        try:
            with client:
                if mood is Mood.HANGING:
                    self.somebody_waits.set()
                    while client.recv(_PIECE):
                        pass
                elif mood is not Mood.GONE:
                    with socket.create_connection(("127.0.0.1", self._target)) as server:
                        self._open.add(server)
                        self._pass(client, server, mood)
                        self._open.discard(server)
        except OSError:
            pass
        finally:
            self._open.discard(client)

    def _pass(self, client: socket.socket, server: socket.socket, mood: Mood) -> None:
        passed = {client: 0, server: 0}
        other = {client: server, server: client}
        cut = {Mood.CUTTING: server, Mood.LOSING: client}.get(mood)
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for source in ready:
                data = source.recv(_PIECE)
                if not data:
                    return
                passed[source] += len(data)
                if source is client and self._heard is not None:
                    self._heard.append(data)
                if source is cut and passed[source] > self.cut_after and self.cuts_left > 0:
                    self.cuts_left -= 1
                    other[source].sendall(data[: len(data) // 2])
                    return
                other[source].sendall(data)


@contextlib.contextmanager
def proxied(target: int, heard: list[bytes] | None = None) -> Iterator[Proxy]:
    proxy = Proxy(target, heard)
    try:
        yield proxy
    finally:
        proxy.close()
