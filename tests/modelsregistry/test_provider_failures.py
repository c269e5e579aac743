"""Whatever a provider does, a driver ends in time with an error that a client may read."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
import time
from email.utils import formatdate

import pytest

from modelsregistry import http
from modelsregistry.contract import Endpoint
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected, ModelTimeout
from tests.modelsregistry.stand_in import answer, chunk, drip, endless, respond, stall, stream

LEAK = "upstream says sk-test of http://secret.example"


def error(**fields):
    return {"error": {"message": LEAK, **fields}}


REFUSALS = [
    (400, error(code="context_length_exceeded"), ModelRejected, "context_length_exceeded"),
    (400, error(type="exceed_context_size_error"), ModelRejected, "context_length_exceeded"),
    (
        400,
        {"object": "error", "message": "This model's maximum context length is 8", "code": 400},
        ModelRejected,
        "context_length_exceeded",
    ),
    (400, error(type="invalid_request_error"), ModelRejected, "request_rejected"),
    (400, error(code="content_policy_violation"), ModelRejected, "content_filtered"),
    (401, error(code="invalid_api_key"), ModelMisconfigured, "credential_refused"),
    (402, {"detail": "pay"}, ModelMisconfigured, "quota_exhausted"),
    (403, "<html>", ModelMisconfigured, "permission_refused"),
    (404, error(code="model_not_found"), ModelMisconfigured, "upstream_model_unknown"),
    (408, {}, ModelOverloaded, "provider_error"),
    (409, [], ModelOverloaded, "provider_error"),
    (413, "", ModelRejected, "request_too_large"),
    (422, {"detail": [{"msg": LEAK}]}, ModelRejected, "request_rejected"),
    (429, error(code="rate_limit_exceeded"), ModelOverloaded, "rate_limited"),
    (429, error(code="insufficient_quota"), ModelMisconfigured, "quota_exhausted"),
    (500, {"error": LEAK}, ModelOverloaded, "provider_error"),
    (500, {"error": {"message": "image input is not supported"}}, ModelRejected, "images_not_supported"),
    (502, "<html>bad gateway", ModelOverloaded, "provider_error"),
    (503, "{half", ModelOverloaded, "provider_overloaded"),
    (529, error(type="overloaded_error"), ModelOverloaded, "provider_overloaded"),
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), REFUSALS)
def test_a_refusal_means_what_the_provider_means(upstream, driver, ask, status, body, kind, code):
    upstream.script(respond(status, body))

    with pytest.raises(ModelError) as raised:
        driver().generate(ask())

    assert (type(raised.value), raised.value.code) == (kind, code)
    assert not any(word in raised.value.detail for word in ("sk-", "http", "secret.example", "upstream says"))


def test_the_provider_may_overrule_its_status(upstream, driver, ask):
    upstream.script(respond(500, {}, x_should_retry="false"), respond(400, {}, x_should_retry="true"))

    with pytest.raises(ModelRejected):
        driver().generate(ask())
    with pytest.raises(ModelOverloaded):
        driver().generate(ask())


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ({"Retry_After": "7"}, 7, 7),
        ({"Retry_After": formatdate(time.time() + 3600, usegmt=True)}, 3000, 3600),
        ({"Retry_After": formatdate(0, usegmt=True)}, 0, 0),
        ({"Retry_After": "-3"}, 0, 0),
        ({"Retry_After": "99999999999"}, 86_400, 86_400),
        ({"retry_after_ms": "1500", "Retry_After": "2"}, 1.5, 1.5),
    ],
)
def test_the_wait_that_the_provider_asks_for_is_passed_on(upstream, driver, ask, header, least, most):
    upstream.script(respond(429, {}, **header))

    with pytest.raises(ModelOverloaded) as raised:
        driver().generate(ask())
    assert least <= raised.value.retry_after <= most


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "1e999", "Mon, 99 Foo 2026 00:00:00 GMT", "999999999999 999"])
def test_a_senseless_wait_is_none(upstream, driver, ask, value):
    upstream.script(respond(429, {}, Retry_After=value))

    with pytest.raises(ModelOverloaded) as raised:
        driver().generate(ask())
    assert raised.value.retry_after is None


def test_a_redirect_is_not_followed(upstream, driver, ask):
    upstream.script(respond(307, "", Location=upstream.url + "/elsewhere"), answer("stolen"))

    with pytest.raises(ModelMisconfigured) as raised:
        driver().generate(ask())
    assert raised.value.code == "provider_redirects"
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (respond(200, "<!doctype html><title>Sign in</title>", "text/html"), ModelMisconfigured, "not_a_model_server"),
        (respond(200, error(code="rate_limit_exceeded")), ModelOverloaded, "provider_error"),
        (respond(200, {"error": {"code": 429, "message": "slow down"}}), ModelOverloaded, "rate_limited"),
        (respond(200, {"error": {"code": 400, "message": "no"}}), ModelRejected, "request_rejected"),
        (respond(200, ""), ModelOverloaded, "answer_broken"),
        (respond(200, '{"choices": ['), ModelOverloaded, "answer_broken"),
        (respond(200, "[" * 200_000), ModelOverloaded, "answer_broken"),
        (respond(200, {"choices": []}), ModelOverloaded, "answer_empty"),
        (respond(200, {"choices": [None, 3]}), ModelOverloaded, "answer_empty"),
        (respond(200, "", "text/event-stream"), ModelOverloaded, "answer_truncated"),
        (respond(200, "data: [DONE]\n\n", "text/event-stream"), ModelOverloaded, "answer_empty"),
        (stream(chunk("Forty"), "data: {half\n\n"), ModelOverloaded, "answer_broken"),
        (
            stream(chunk("Forty"), 'data: {"error": {"message": "overloaded"}}\n\n'),
            ModelOverloaded,
            "provider_overloaded",
        ),
        (respond(200, gzip.compress(b"0" * 1_000_000), Content_Encoding="gzip"), ModelOverloaded, "answer_broken"),
        (respond(200, "x", Content_Length="1000"), ModelOverloaded, "connection_broken"),
    ],
)
def test_a_success_that_is_none_is_told(upstream, driver, ask, reply, kind, code):
    upstream.script(reply)

    with pytest.raises(ModelError) as raised:
        driver().generate(ask())
    assert (type(raised.value), raised.value.code) == (kind, code)


def test_silence_is_a_stall_and_worth_another_try(upstream, driver, ask):
    upstream.script(stall(chunk("Forty")))

    with pytest.raises(ModelOverloaded) as raised:
        driver(stall_timeout=0.2).generate(ask())
    assert raised.value.code == "model_stalled"


@pytest.mark.parametrize(
    "reply",
    [
        stall(),
        drip(b": still here\n", headers_first=True),
        drip(chunk("a").encode(), headers_first=True),
        drip(b"a", headers_first=False),
        drip(b"X-Header: a\r\n", headers_first=False),
    ],
    ids=["silence", "comments", "pieces", "header line by bytes", "headers"],
)
def test_nothing_outlives_the_deadline(upstream, driver, ask, reply):
    upstream.script(reply)

    with pytest.raises(ModelTimeout):
        driver().generate(ask(deadline=time.monotonic() + 0.3))


def test_a_server_that_does_not_read_does_not_outlive_the_deadline(ask):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = Endpoint("m", f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")
        big = ask(instruction="x" * 30_000_000, deadline=time.monotonic() + 0.5)
        with pytest.raises(ModelTimeout):
            driver_class("openai_compatible")(endpoint).generate(big)


def test_a_deadline_that_has_passed_sends_nothing(upstream, driver, ask):
    with pytest.raises(ModelTimeout):
        driver().generate(ask(deadline=time.monotonic() - 1))
    assert upstream.received == []


@pytest.mark.parametrize(
    "piece", [b"x" * 65_536, b"data: x\n" * 8192, b"\n" * 65_536], ids=["one line", "one event", "nothing"]
)
def test_an_endless_answer_is_cut_off(upstream, driver, ask, piece):
    upstream.script(endless(piece))

    with pytest.raises(ModelOverloaded) as raised:
        driver().generate(ask())
    assert raised.value.code == "answer_too_large"


def test_an_answer_of_too_many_lines_is_cut_off(upstream, driver, ask, monkeypatch):
    """However few bytes they have: each costs time."""
    upstream.script(stream("\n" * 2000, chunk("108"), chunk(finish_reason="stop"), "data: [DONE]\n\n"))
    assert driver().generate(ask()).text == "108"
    monkeypatch.setattr(http, "MAX_LINES", 1000)
    with pytest.raises(ModelOverloaded) as raised:
        driver().generate(ask())
    assert raised.value.code == "answer_too_large"


def test_nobody_there_is_worth_another_try(ask):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ModelOverloaded) as raised:
        driver_class("openai_compatible")(Endpoint("m", f"http://127.0.0.1:{port}/v1")).generate(ask())
    assert raised.value.code == "provider_unreachable"


def test_a_listener_that_gives_up_closes_the_connection(upstream, driver, ask):
    upstream.script(drip(chunk("a").encode(), headers_first=True))

    class Cancelled(BaseException):
        pass

    def give_up(_: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        driver().generate(ask(), give_up)
    assert upstream.hung_up.wait(10)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_a_signal_that_raises_ends_a_silent_call(upstream, driver, ask):
    class Cancelled(BaseException):
        pass

    def cancel(*_: object) -> None:
        raise Cancelled

    def silent(exchange: object) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        stall()(exchange)

    upstream.script(silent)
    former = signal.signal(signal.SIGUSR1, cancel)
    try:
        with pytest.raises(Cancelled):
            driver().generate(ask())
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_the_environment_adds_neither_proxy_nor_credential(upstream, driver, ask, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr(http, "_clients", {})

    assert driver(secret="").generate(ask()).text == "Forty-two."
    assert "authorization" not in upstream.last.headers


def test_a_forked_child_has_a_client_of_its_own(monkeypatch):
    parents = http.client()
    assert http.client() is parents
    monkeypatch.setattr(os, "getpid", lambda: -1)
    childs = http.client()
    assert childs is not parents
    childs.close()
    http._clients.pop((-1, "", True))
