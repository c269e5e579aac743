"""Where a provider may be, and the proxy on the way there: nothing private is reached unless somebody allowed it."""

from __future__ import annotations

import socket

import httpcore
import pytest

from modelsregistry import addresses
from modelsregistry.contract import Endpoint
from modelsregistry.deadline import DeadlineBackend
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelMisconfigured, ModelOverloaded
from tests.modelsregistry.stand_in import answer, respond

PUBLIC = "93.184.215.14"


def pretend(monkeypatch, *found_in_turn):
    """Let a name have other addresses each time it is asked for; the last ones stay. Returns how often it was."""
    asked = []

    def getaddrinfo(host, port, *_, **__):
        asked.append(host)
        found = found_in_turn[min(len(asked), len(found_in_turn)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


def port_of(upstream):
    return int(upstream.url.rsplit(":", 1)[1].removesuffix("/v1"))


def test_it_works(upstream, driver, ask):
    """Where private addresses are allowed, this host is reached."""
    assert driver(allow_private=True).generate(ask()).text == "Forty-two."


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "127.1"])
def test_a_private_address_is_refused_when_the_provider_is_saved(host):
    endpoint = Endpoint(model="m", base_url=f"http://{host}:11434/v1", allow_private=False)

    with pytest.raises(ModelMisconfigured) as raised:
        driver_class("openai_compatible")(endpoint)
    assert raised.value.code == "address_not_allowed"
    assert host not in raised.value.detail


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["10.0.0.1"], ["100.100.100.200"]])
def test_a_name_that_means_a_private_address_is_not_connected_to(monkeypatch, upstream, driver, ask, found):
    pretend(monkeypatch, found)
    url = f"http://models.example:{port_of(upstream)}/v1"

    with pytest.raises(ModelMisconfigured) as raised:
        driver(base_url=url, allow_private=False).generate(ask())
    assert raised.value.code == "address_not_allowed"
    assert upstream.received == []


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch):
    """A name that is public when it is looked at and private when it is connected to gets nobody anywhere."""
    asked = pretend(monkeypatch, [PUBLIC, "1.1.1.1"], ["127.0.0.1"])
    tried = []

    def connect(self, host, *args, **kwargs):
        tried.append(host)
        raise httpcore.ConnectError("not on this network")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        DeadlineBackend(public_only=True).connect_tcp("models.example", 443)

    assert (asked, tried) == (["models.example"], [PUBLIC, "1.1.1.1"])


def test_a_connection_that_one_provider_may_have_is_not_lent_to_another(upstream, driver, ask):
    driver(allow_private=True).generate(ask())

    with pytest.raises(ModelMisconfigured):
        driver(allow_private=False)
    assert len(upstream.received) == 1


def test_a_name_that_nobody_knows_is_an_unreachable_provider(monkeypatch, driver, ask):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", unknown)
    with pytest.raises(ModelOverloaded) as raised:
        driver(base_url="http://nowhere.invalid/v1", allow_private=False).generate(ask())
    assert raised.value.code == "provider_unreachable"


def test_a_proxy_is_asked_for_the_provider_and_its_own_address_may_be_private(upstream, driver, ask):
    upstream.script(answer("Through the proxy."))
    proxy = f"http://127.0.0.1:{port_of(upstream)}"

    result = driver(base_url="http://models.example/v1", proxy=proxy, allow_private=False).generate(ask())

    assert result.text == "Through the proxy."
    assert upstream.last.path == "http://models.example/v1/chat/completions"
    assert upstream.last.headers["host"] == "models.example"


def test_an_encrypted_provider_is_reached_by_a_tunnel_that_never_sees_the_secret(upstream, driver, ask):
    upstream.script(respond(502, "no"))
    proxy = f"http://127.0.0.1:{port_of(upstream)}"

    with pytest.raises(ModelOverloaded) as raised:
        driver(base_url="https://models.example/v1", proxy=proxy, allow_private=False).generate(ask())

    assert raised.value.code in ("connection_broken", "provider_unreachable")
    # The stand-in knows no CONNECT, so it notes no request; what matters is that none came in clear.
    assert not any("authorization" in received.headers for received in upstream.received)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "localhost", "[::1]"])
def test_a_proxy_is_no_way_around_the_rule(upstream, driver, host):
    with pytest.raises(ModelMisconfigured) as raised:
        driver(base_url=f"http://{host}/v1", proxy=f"http://127.0.0.1:{port_of(upstream)}", allow_private=False)
    assert raised.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "socks5://proxy:1080", "http://user:pass@proxy:3128", "http://proxy/path", "http://", "x"]
)
def test_a_proxy_that_cannot_work_is_refused_at_once(driver, proxy):
    with pytest.raises(ModelMisconfigured) as raised:
        driver(proxy=proxy)
    assert raised.value.code == "proxy_malformed"
    assert "pass" not in raised.value.detail


def test_the_headers_of_the_provider_go_along_and_win(upstream, driver, ask):
    driver(headers={"X-Tenant": "blue", "AUTHORIZATION": "Custom abc"}).generate(ask())

    assert upstream.last.headers["x-tenant"] == "blue"
    assert upstream.last.headers["authorization"] == "Custom abc"


@pytest.mark.parametrize(
    "headers",
    [
        {"X Y": "1"},
        {"": "1"},
        {"X": "a\r\nY: b"},
        {"X": "ключ"},
        {"X": 3},
        {"Host": "else.example"},
        {"content-length": "0"},
        {"Accept-Encoding": "gzip"},
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_at_once(driver, headers):
    with pytest.raises(ModelMisconfigured) as raised:
        driver(headers=headers)
    assert raised.value.code == "header_malformed"
