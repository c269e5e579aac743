"""Requests per second of one URL under a few kept-alive connections: by `wrk` where it is installed, else by processes
of our own, which take more of the machine for themselves (compare figures of one generator only)."""

from __future__ import annotations

import http.client
import multiprocessing
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 6


class LoadFailedError(Exception):
    """Replies that were not 200, or none; the message says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask for, and with which key."""

    url: str
    key: str


def generator() -> str:
    """Who makes the load."""
    return "wrk" if shutil.which("wrk") else "http.client"


def requests_per_second(target: Target, seconds: float) -> float:
    """The rate at which 200s came back over `seconds`. Raises `LoadFailedError`."""
    if generator() == "wrk":
        return _by_wrk(target, seconds)
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(CONNECTIONS) as pool:
        counts = pool.starmap(_count, [(target, seconds)] * CONNECTIONS)
    if time.monotonic() - started > 10 * seconds + 30:
        raise LoadFailedError("the load generator was starved")
    return sum(counts)


def _by_wrk(target: Target, seconds: float) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    command += ["-H", f"Authorization: Bearer {target.key}", target.url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise LoadFailedError(said)
    return float(rate[1])


def _count(target: Target, seconds: float) -> float:
    """Requests per second of one connection."""
    address = urlsplit(target.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    done, started = 0, time.monotonic()
    while time.monotonic() < started + seconds:
        connection.request("GET", address.path, headers={"Authorization": f"Bearer {target.key}"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != http.client.OK:
            raise LoadFailedError(f"{reply.status} for {target.url}")
        done += 1
    return done / (time.monotonic() - started)
