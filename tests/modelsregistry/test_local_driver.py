"""The built-in model as a driver: limits, deadline, what it leaves out, and what it costs to have around."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from modelsregistry.contract import Driver, Endpoint, GenerationRequest, PageImage, SourcePage
from modelsregistry.discovery import all_drivers
from modelsregistry.drivers.local import LocalDriver
from modelsregistry.errors import ModelTimeout


def request(question: str = "Extract the text", text: str = "Some words of a page.") -> GenerationRequest:
    return GenerationRequest(
        model="local",
        question=question,
        instruction=question,
        pages=(SourcePage(1, text),),
        deadline=time.monotonic() + 60,
    )


@pytest.fixture
def driver() -> LocalDriver:
    return LocalDriver(Endpoint("local"))


def test_it_works(driver: LocalDriver) -> None:
    heard: list[str] = []
    result = driver.generate(request(text="One line.\nAnother line."), heard.append)

    assert result.text == "One line.\nAnother line."
    assert "".join(heard) == result.text
    assert result.finish_reason == "stop"
    assert result.usage.estimated
    assert result.usage.input_tokens > 0


def test_it_is_a_driver_that_is_discovered() -> None:
    found: type[Driver] = all_drivers()["local"]

    assert found is LocalDriver
    assert found.label == "Built-in"


@pytest.mark.parametrize("question", ["What is the total?", "Summarise", "zzz", "Extract the text"])
@pytest.mark.parametrize("text", ["", "Total: 5.00", "A cat sat."])
def test_the_listener_hears_the_whole_answer(driver: LocalDriver, question: str, text: str) -> None:
    heard: list[str] = []
    result = driver.generate(request(question, text), heard.append)

    assert heard
    assert "".join(heard) == result.text


def test_a_long_answer_is_cut_at_a_word(driver: LocalDriver) -> None:
    result = driver.generate(replace(request(text="alpha beta gamma delta epsilon " * 50), max_tokens=5))

    assert result.finish_reason == "length"
    assert result.text == "alpha beta gamma"
    assert result.usage.output_tokens <= 5


def test_a_single_endless_word_is_cut_too(driver: LocalDriver) -> None:
    result = driver.generate(replace(request(text="x" * 1000), max_tokens=1))

    assert result.text == "xxxx"
    assert result.finish_reason == "length"


def test_what_it_cannot_use_is_named(driver: LocalDriver) -> None:
    page = SourcePage(1, "Some words.", PageImage(b"\xff\xd8", "image/jpeg"))
    asked = replace(request(), temperature=0.0, response_schema={"type": "object"}, system="Be kind.", pages=(page,))

    assert driver.generate(asked).dropped == ("temperature", "system", "images")
    assert driver.generate(request()).dropped == ()


def test_a_deadline_in_the_past_is_a_timeout(driver: LocalDriver) -> None:
    with pytest.raises(ModelTimeout):
        driver.generate(replace(request(), deadline=time.monotonic() - 1))


@pytest.mark.parametrize("question", ["What is a wombat?", "Summarise", "What is the total and who is the director?"])
def test_a_deadline_that_comes_on_the_way_ends_the_work(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    clock = _clock_that_passes(after=2)
    monkeypatch.setattr("modelsregistry.drivers.local.time.monotonic", clock)
    pages = tuple(SourcePage(number, "A wombat digs. " * 30) for number in range(1, 100))

    with pytest.raises(ModelTimeout):
        driver.generate(replace(request(question), pages=pages, deadline=10.0))


def _clock_that_passes(after: int) -> Callable[[], float]:
    readings = iter([0.0] * after)
    return lambda: next(readings, 100.0)


def test_drivers_share_nothing(driver: LocalDriver) -> None:
    first = driver.generate(request("What is the total?", "Total: 5.00"))
    driver.generate(request("What is the total?", "Total: 6.00"))

    assert driver.generate(request("What is the total?", "Total: 5.00")) == first


def test_starting_the_web_process_does_not_load_the_search_library() -> None:
    code = "import sys, modelsregistry.drivers.local; print({'numpy', 'bm25s', 'django'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
