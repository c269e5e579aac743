"""Which network addresses are the public Internet's: the wall between a URL that somebody typed and private networks.

Everything that is not plainly public is refused, by the address that is connected to and never by its name: names are
resolved once, every address found is looked at, and the caller connects to one of these and not to the name again.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

# Source: IANA's registries of special-purpose IPv4 and IPv6 addresses, and of IPv4 multicast. `ipaddress.is_global`
# follows them too, but differently from one Python release to the next, and counts multicast as global.
_CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; metadata of some clouds
        "127.0.0.0/8",
        "168.63.129.16/32",  # in public space, but inside Azure its host's own services
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Of IPv6, only this block is given out at all.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: leads to any IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressNotAllowed(Exception):
    """A host that is not on the public Internet, or not with all of its addresses."""


def is_public(address: str | Address) -> bool:
    """Whether the address is on the public Internet. An IPv4 address inside an IPv6 one (mapped, NAT64) counts as what
    it is; text that is no address is not public."""
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            return False
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _CLOSED_V4)
    if address.scope_id:
        return False
    inner = _inner_v4(address)
    if inner is not None:
        return is_public(inner)
    return address in _OPEN_V6 and not any(address in block for block in _CLOSED_V6)


def is_allowed(address: str, also: Networks = ()) -> bool:
    """Whether the address is public, or in one of the networks that were allowed beside."""
    return is_public(address) or _is_in(address, also)


def public_addresses(host: str, port: int, also: Networks = ()) -> tuple[str, ...]:
    """The addresses of a host, in the order in which to try them. Resolves its name once.

    Raises `AddressNotAllowed` when one of them is neither public nor in the networks `also`, as a name with both kinds
    is an attack or a mistake; `OSError` when the name cannot be resolved.
    """
    require_public_name(host, also)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long for DNS
        raise OSError("not a host name") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise OSError("a name without addresses")
    if not all(is_allowed(address, also) for address in addresses):
        raise AddressNotAllowed(host)
    return addresses


def require_public_name(host: str, also: Networks = ()) -> None:
    """Raises `AddressNotAllowed` when the host is, without asking anybody, neither public nor in the networks `also`:
    an address, in whatever notation the system's resolver takes, or a name of this very host."""
    name = host.strip("[]").rstrip(".").lower()
    literal = IPv4Address("127.0.0.1") if name == "localhost" or name.endswith(".localhost") else _literal(name)
    if literal is not None and not is_allowed(str(literal), also):
        raise AddressNotAllowed(host)


def _is_in(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.scope_id is None and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def _literal(name: str) -> Address | None:
    try:
        return ip_address(name)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(name))  # 127.1, 0x7f000001, 017700000001
    except (OSError, UnicodeError, ValueError):
        return None


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
