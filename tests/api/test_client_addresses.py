"""A client says who it is as far as the proxies in front of the service are trusted, and no further."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from processing.api.addresses import client_address

PROXY = "10.0.0.1"


def address(forwarded: str | None = None, peer: str = PROXY) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, None, PROXY),
        (0, "192.0.2.7", PROXY),
        (1, None, PROXY),
        (1, "", PROXY),
        (1, "192.0.2.7", "192.0.2.7"),
        (1, "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        (1, "6.6.6.6,192.0.2.7 ", "192.0.2.7"),
        (2, "6.6.6.6, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (2, "192.0.2.7", "192.0.2.7"),
        (1, "192.0.2.7:4711", "192.0.2.7"),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "2001:DB8:0::7", "2001:db8::7"),
        (1, "::ffff:192.0.2.7", "192.0.2.7"),
        (1, "192.0.2.7, unknown", ""),
        (1, "<script>", ""),
    ],
)
def test_only_what_trusted_proxies_say_counts(
    settings: Any, proxies: int, forwarded: str | None, expected: str
) -> None:
    settings.NUM_PROXIES = proxies
    assert address(forwarded) == expected


@pytest.mark.parametrize(
    ("peer", "expected"), [("", ""), ("fe80::1%eth0", "fe80::1"), ("::ffff:127.0.0.1", "127.0.0.1")]
)
def test_the_peer_in_canonical_form(peer: str, expected: str) -> None:
    assert address(peer=peer) == expected
