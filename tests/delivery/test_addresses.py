"""Webhooks go to the public Internet alone, however an address is spelt and whatever a name means the next moment."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import httpcore
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from modelsregistry import addresses
from modelsregistry.provisioning import provision
from processing.delivery.webhooks.models import State, WebhookDelivery, WebhookEndpoint
from processing.tasks.models import Task
from tests.conftest import Tenant
from tests.delivery.conftest import Delivering, Receiver, completed, registered, row

pytestmark = pytest.mark.django_db
PUBLIC = "93.184.215.14"
CLOSED = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.1:8000/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://any.localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:5ef5:79fd::1]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
]
MALFORMED = [
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com#@127.0.0.1:99999/",
    "http://example.com:99999/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:0/",
    "http://exa mple.com/",
    "http://example.com/\r\nX-Injected: 1",
    "http://１２７.0.0.1/",
    "http://[::1/",
    "http://[fe80::1%25lo]/",
    "https://example.com/" + "a" * 2000,
]


def pretend(monkeypatch: pytest.MonkeyPatch, *found_in_turn: list[str]) -> list[str]:
    """Let names have other addresses each time they are asked for; the last ones stay. Returns which were asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        found = found_in_turn[min(len(asked), len(found_in_turn)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


def process(who: Tenant, url: str) -> Any:
    file = SimpleUploadedFile("a.txt", b"The total is 12 euros.", "text/plain")
    fields = {"file": file, "prompt": "What is the total?", "webhook_url": url, "model": "local"}
    return who.client.post("/api/v2/process", fields, format="multipart")


def test_it_works(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    provision({})
    pretend(monkeypatch, [PUBLIC])
    for url in ("https://example.com/hook?token=1", "http://example.com:8080/", "https://[2606:4700::1111]/"):
        assert registered(alice, url)["url"] == url
    response = process(alice, "https://example.com/hook")
    assert response.status_code == 200, response.content
    assert Task.objects.get().webhook_url == "https://example.com/hook"


@pytest.mark.parametrize("url", [*CLOSED, *MALFORMED])
def test_it_is_refused_at_the_door(alice: Tenant, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provision({})
    asked = pretend(monkeypatch, [PUBLIC])
    for response, name in (
        (alice.client.post("/api/v2/webhooks", {"url": url}, format="json"), "url"),
        (process(alice, url), "webhook_url"),
    ):
        body = response.json()
        too_long = len(url) > 2000
        assert (response.status_code, body["code"]) == (422, "max_length" if too_long else "webhook_url_not_allowed")
        assert list(body["errors"]) == [name]
    assert asked == []
    assert not WebhookEndpoint.objects.exists()
    assert not Task.objects.exists()


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::1"], ["100.100.100.200"]])
def test_a_name_that_stands_for_a_private_address(alice, found, monkeypatch) -> None:
    pretend(monkeypatch, found)
    response = alice.client.post("/api/v2/webhooks", {"url": "https://hook.example/"}, format="json")
    assert (response.status_code, response.json()["code"]) == (422, "webhook_url_not_allowed")
    assert not [address for address in found if address in response.content.decode()]


def test_a_name_that_cannot_be_looked_up_now_may_be_later(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    assert registered(alice, "https://hook.example/")


def test_a_name_that_means_another_address_the_second_time(
    alice: Tenant, receiver: Receiver, new_deliverer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_V2_WEBHOOK_NETWORKS = ()
    port = receiver.url.rsplit(":", 1)[1].removesuffix("/hook")
    asked = pretend(monkeypatch, [PUBLIC], ["127.0.0.1"])
    registered(alice, f"http://hook.example:{port}/")
    completed(alice)
    new_deliverer().once()
    assert asked == ["hook.example"] * 2
    assert receiver.received == []
    assert (row().state, row().last_error) == (State.PENDING, "address_not_allowed")


def test_the_address_that_was_looked_at_is_connected_to(
    alice: Tenant, deliverer: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is asked for once at each try, so that it cannot mean something else the next moment."""
    asked = pretend(monkeypatch, [PUBLIC], [PUBLIC, "1.1.1.1"], ["127.0.0.1"])
    tried: list[str] = []

    def connect(self: Any, host: str, *_: Any, **__: Any) -> Any:
        tried.append(host)
        raise httpcore.ConnectError("not on this network")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    registered(alice, "https://hook.example/")
    completed(alice)
    deliverer.once()
    assert (asked, tried) == (["hook.example"] * 2, [PUBLIC, "1.1.1.1"])
    assert row().last_error == "not_reached"


def test_what_was_allowed_once_is_looked_at_again_at_each_try(
    alice: Tenant, receiver: Receiver, new_deliverer: Any, settings: Any
) -> None:
    registered(alice, receiver.url)
    completed(alice, webhook_url="http://127.1:8000/")  # written by whom the door did not see
    settings.API_V2_WEBHOOK_NETWORKS = ()
    new_deliverer().once()
    assert receiver.received == []
    assert set(WebhookDelivery.objects.values_list("last_error", flat=True)) == {"address_not_allowed"}


def test_a_network_that_is_allowed_opens_no_other(alice: Tenant, receiver: Receiver, settings: Any) -> None:
    settings.API_V2_WEBHOOK_NETWORKS = (ipaddress.ip_network("10.1.0.0/16"),)
    assert registered(alice, "http://10.1.2.3:8000/")
    assert registered(alice, "http://[::ffff:10.1.2.4]:8000/")
    for url in ("http://10.2.0.1/", "http://127.0.0.1/", "http://localhost/", "http://[::1]/"):
        assert alice.client.post("/api/v2/webhooks", {"url": url}, format="json").status_code == 422


def test_the_host_and_the_port_are_the_callers(
    alice: Tenant, receiver: Receiver, deliverer: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is to an address, and the request still names the host."""
    pretend(monkeypatch, ["127.0.0.1"])
    port = receiver.url.rsplit(":", 1)[1].removesuffix("/hook")
    registered(alice, f"http://hook.example:{port}/")
    completed(alice)
    deliverer.once()
    assert receiver.received[0].headers["host"] == f"hook.example:{port}"


@pytest.mark.parametrize("url", ["https://xn--a/x", "https://xn--0.example.com/", "https://xn--zz--/"])
def test_an_international_name_that_is_none_is_asked_for_as_it_is(
    alice: Tenant, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pretend(monkeypatch, [PUBLIC])
    assert alice.client.post("/api/v2/webhooks", {"url": url}, format="json").status_code in (201, 422)
    assert all(host.startswith("xn--") for host in map(str, asked)) or asked == []
