"""Whether the address to listen on is there to be taken, asked before anything is started."""

from __future__ import annotations

import errno
import socket

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again will not help, a person must change something


class AddressUnavailableError(Exception):
    """Nothing can listen there; the message is a sentence that says what to do."""


def require_free(host: str, port: int) -> None:
    """Raise AddressUnavailableError unless `host:port` can be listened on.

    The web server cannot be left to find out: it shares the port (SO_REUSEPORT) with whoever has it already.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise AddressUnavailableError(_sentence(host, port, error)) from error


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program. Set PORT to a free one, e.g. PORT={port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has. Set PORT to one above 1023."
    return f"Nothing can listen on {host}:{port} ({error.strerror}). Set HOST to an address of this machine."
