"""A network of several hosts on this machine: a network namespace for each, all on one bridge, and this machine on it.

It takes root and `ip` (Debian: iproute2). Where that is not to be had it is a failure in CI and a reason to skip
elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Host:
    """One host: the name of its namespace, and its address on the bridge."""

    namespace: str
    address: str

    def command(self, *arguments: str) -> list[str]:
        """What runs `arguments` on this host, as the process itself: no parent stands before it."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def cut_off(self) -> None:
        """As if its cable were pulled: nothing is refused, nothing arrives."""
        _ip("-n", self.namespace, "link", "set", "eth0", "down")

    def connect(self) -> None:
        """Plug it in."""
        _ip("-n", self.namespace, "link", "set", "eth0", "up")


@dataclass(frozen=True, slots=True)
class Network:
    """The bridge; `address` is this machine's on it, where its servers may listen."""

    address: str
    hosts: Sequence[Host]


@contextlib.contextmanager
def network(hosts: int) -> Iterator[Network]:
    """So many hosts, from .2 on; all goes when the block ends. The addresses are RFC 2544's, for tests."""
    mark = os.getpid() % 65_536
    subnet = f"198.{18 + mark // 256 % 2}.{mark % 256}"
    bridge = f"av2-{mark:x}"
    with contextlib.ExitStack() as stack:
        _make_bridge(stack, bridge, f"{subnet}.1/24")
        found = [
            _made_host(stack, bridge, Host(f"{bridge}-{number}", f"{subnet}.{number}"))
            for number in range(2, 2 + hosts)
        ]
        yield Network(f"{subnet}.1", found)


def _make_bridge(stack: contextlib.ExitStack, bridge: str, address: str) -> None:
    if shutil.which("ip") is None:
        _missing("ip is not installed (Debian: apt install iproute2)")
    try:
        _ip("link", "add", bridge, "type", "bridge")
    except subprocess.CalledProcessError as error:
        _missing(f"this machine lets no network be made: {error.stderr.strip()}")
    stack.callback(_ip, "link", "del", bridge)
    _ip("address", "add", address, "dev", bridge)
    _ip("link", "set", bridge, "up")


def _made_host(stack: contextlib.ExitStack, bridge: str, host: Host) -> Host:
    cable = f"{bridge}v{host.address.rpartition('.')[2]}"
    _ip("netns", "add", host.namespace)
    stack.callback(_ip, "netns", "del", host.namespace)  # and the cable with it
    _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
    _ip("link", "set", cable, "master", bridge, "up")
    _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", host.namespace, "link", "set", device, "up")
    return host


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
