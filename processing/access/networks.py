"""Networks in CIDR notation, and whether an address is in one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address(text: str) -> Address | None:
    """The address that a text is, without a zone, IPv4 within IPv6 as what it is; None for any other text."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


@lru_cache(maxsize=1024)
def network(text: str) -> Network:
    """The network that a text is; a single address is one, and bits of a host are dropped. Raises `ValueError`."""
    found = ipaddress.ip_network(text.strip(), strict=False)
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, found.prefixlen - 96))
    return found


def holds(networks: Iterable[str], text: str) -> bool:
    """Whether an address is in one of the networks; what is no address is in none."""
    asked = address(text)
    return asked is not None and any(asked in network(each) for each in networks)
