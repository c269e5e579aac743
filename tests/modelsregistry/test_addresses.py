"""What is the public Internet and what is not, however the address is written."""

from __future__ import annotations

import socket

import pytest

from modelsregistry import addresses
from modelsregistry.addresses import AddressNotAllowed, is_public, public_addresses, require_public_name


def resolving(monkeypatch, *found):
    """Let every name have these addresses; returns the names that were asked for."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found
        ]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_it_works(monkeypatch):
    asked = resolving(monkeypatch, "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.14")

    assert public_addresses("example.com", 443) == ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    assert asked == ["example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "11.0.0.0",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001:800::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:4136:e378::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_everything_else_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize("text", ["", "example.com", "1.1.1", "1.1.1.1.1", "1.1.1.256", "01.1.1.1", "[::1]"])
def test_what_is_no_address_is_not_public(text):
    assert not is_public(text)


@pytest.mark.parametrize("private", ["10.0.0.1", "::1", "::ffff:192.168.0.1", "fe80::1%2"])
@pytest.mark.parametrize("public_first", [True, False])
def test_one_private_address_condemns_the_name(monkeypatch, private, public_first):
    found = ["1.1.1.1", private] if public_first else [private, "1.1.1.1"]
    resolving(monkeypatch, *found)

    with pytest.raises(AddressNotAllowed):
        public_addresses("both.example", 443)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.1",
        "0",
        "[::1]",
        "::1",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "fe80::1%lo",
        "0x0a.1",
    ],
)
def test_a_private_host_is_known_without_asking_anybody(monkeypatch, host):
    asked = resolving(monkeypatch, "1.1.1.1")

    with pytest.raises(AddressNotAllowed):
        require_public_name(host)
    with pytest.raises(AddressNotAllowed):
        public_addresses(host, 80)
    assert asked == []


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "1.1.1.1", "10.example", "ключ.example", ""])
def test_other_hosts_are_left_to_the_resolver(host):
    require_public_name(host)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", ".example"])
def test_a_name_that_dns_cannot_carry_is_an_unreachable_one(host):
    with pytest.raises(OSError):
        public_addresses(host, 443)


def test_a_name_without_addresses_is_an_unreachable_one(monkeypatch):
    resolving(monkeypatch)

    with pytest.raises(OSError, match="without addresses"):
        public_addresses("nothing.example", 443)
