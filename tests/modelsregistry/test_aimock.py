"""Ollama's driver against a stand-in that others wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelsregistry.contract import Driver, Endpoint, GenerationRequest, ListsModels
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelOverloaded, ModelTimeout
from tests.modelsregistry import aimock

Ask = Callable[..., GenerationRequest]
ANSWER = "The total is 42.00 EUR."


def on(words: str, response: dict[str, Any], **how: Any) -> dict[str, Any]:
    return {"match": {"userMessage": words}, "response": response, **how}


FIXTURES = [
    on("too often", {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 7}),
    on("overloaded", {"error": {"message": "busy", "type": "server_error"}, "status": 503}),
    on("hang up", {"content": ANSWER}, latency=50, disconnectAfterMs=75),
    on("stall", {"content": ANSWER}, latency=60_000),
    on("think", {"content": ANSWER, "reasoning": "40 + 2?"}),
    on("plainly", {"content": ANSWER}),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aimock.running(tmp_path_factory.mktemp("aimock"), FIXTURES) as url:
        yield url


@pytest.fixture
def driver(server: str) -> Callable[..., Driver]:
    def make(**fields: Any) -> Driver:
        given = {"model": "llama3.2-vision", "base_url": server, "secret": "", "stall_timeout": 30.0}
        return driver_class("ollama")(Endpoint(**{**given, "allow_private": True, **fields}))

    return make


def test_it_works(driver: Callable[..., Driver], server: str, ask: Ask) -> None:
    heard: list[str] = []

    result = driver(vision=True).generate(ask(instruction="Answer plainly."), heard.append)

    assert "".join(heard) == result.text == ANSWER
    assert len(heard) > 3, "it came in pieces"
    assert result.finish_reason == "stop"
    body = aimock.asked(server)[-1]
    assert (body["model"], body["stream"]) == ("llama3.2-vision", True)
    assert "The total is 42.00 EUR." in body["messages"][-1]["content"]


def test_what_it_thinks_is_no_part_of_the_answer(driver: Callable[..., Driver], ask: Ask) -> None:
    assert driver().generate(ask(instruction="First think.")).text == ANSWER


def test_its_models_are_listed(driver: Callable[..., Driver]) -> None:
    lists = driver()
    assert isinstance(lists, ListsModels)
    models = lists.upstream_models(time.monotonic() + 30)
    assert "gpt-4o" in {model.id for model in models}
    assert {model.vision for model in models} == {None}, "never guessed from a name"


@pytest.mark.parametrize(
    ("words", "code", "retry_after"),
    [
        ("too often", "rate_limited", 7),
        ("overloaded", "provider_overloaded", None),
        ("hang up", "connection_broken", None),
    ],
)
def test_what_is_worth_another_try(
    driver: Callable[..., Driver], ask: Ask, words: str, code: str, retry_after: float | None
) -> None:
    with pytest.raises(ModelOverloaded) as raised:
        driver().generate(ask(instruction=words))
    assert (raised.value.code, raised.value.retry_after) == (code, retry_after)


def test_a_stall_is_noticed(driver: Callable[..., Driver], ask: Ask) -> None:
    with pytest.raises(ModelOverloaded) as raised:
        driver(stall_timeout=1.0).generate(ask(instruction="Do stall."))
    assert raised.value.code == "model_stalled"


def test_nothing_outlives_the_deadline(driver: Callable[..., Driver], ask: Ask) -> None:
    with pytest.raises(ModelTimeout):
        driver().generate(ask(instruction="Do stall.", deadline=time.monotonic() + 1))
