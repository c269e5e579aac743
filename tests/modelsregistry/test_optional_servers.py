"""Servers too large to be installed for every run. Each is spoken to where the environment says where it is:

- `TEST_LITELLM_VENV`: a virtual environment with `litellm[proxy]`; its proxy is started in front of our own stand-in.
- `TEST_OPEN_WEBUI_URL`, `TEST_OPEN_WEBUI_KEY`, `TEST_OPEN_WEBUI_MODEL`: a running Open WebUI, a key of one of its users
  and a model of its own.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks import servers
from modelsregistry.contract import Driver, Endpoint, GenerationRequest, ListsModels
from modelsregistry.discovery import driver_class
from tests.modelsregistry import stand_in
from tests.modelsregistry.conftest import PIXEL
from tests.modelsregistry.stand_in import StandIn

pytestmark = pytest.mark.timeout(240)
Ask = Callable[..., GenerationRequest]
KEY = "sk-litellm-for-the-tests"
KNOWN = {
    "supports_vision": True,
    "supports_response_schema": True,
    "max_input_tokens": 9000,
    "max_output_tokens": 700,
    "input_cost_per_token": 0.0000025,
}


def given(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        pytest.skip(f"{name} is not set")
    return found


def driver(kind: str, **fields: Any) -> Driver:
    return driver_class(kind)(Endpoint(**{"stall_timeout": 60.0, "allow_private": True, **fields}))


@pytest.fixture(scope="module")
def behind() -> Iterator[StandIn]:
    with stand_in.running() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, behind: StandIn) -> Iterator[str]:
    venv = Path(given("TEST_LITELLM_VENV"))
    with servers.litellm(venv, behind.url, KEY, tmp_path_factory.mktemp("litellm"), KNOWN) as url:
        yield url


class TestLiteLLM:
    """The proxy as a provider, with our stand-in behind it."""

    def test_it_works(self, proxy: str, behind: StandIn, ask: Ask) -> None:
        behind.script(stand_in.answer("The total ", "is 42."))
        found = driver("openai_compatible", model="trivial", base_url=proxy, secret=KEY, vision=True)

        result = found.generate(ask(temperature=0.5, max_tokens=77))

        assert (result.text, result.finish_reason) == ("The total is 42.", "stop")
        assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.estimated) == (11, 7, False)
        body = behind.last.json
        assert (body["temperature"], body["max_tokens"]) == (0.5, 77)
        parts = body["messages"][-1]["content"]
        assert [part["image_url"]["url"] for part in parts if part["type"] == "image_url"] == [data_url()] * 2

    def test_its_models_are_listed_with_what_it_knows_of_them(self, proxy: str) -> None:
        found = driver("openai_compatible", model="trivial", base_url=proxy, secret=KEY)
        assert isinstance(found, ListsModels)

        (model,) = found.upstream_models(time.monotonic() + 60)

        assert (model.id, model.vision, model.structured_output) == ("trivial", True, True)
        assert (model.context_length, model.max_output_tokens) == (9000, 700)
        assert model.input_price == Decimal("2.5")


class TestOpenWebUI:
    """Whatever is behind it has to see two pictures and say something."""

    @pytest.fixture
    def endpoint(self) -> dict[str, str]:
        return {
            "base_url": given("TEST_OPEN_WEBUI_URL"),
            "secret": given("TEST_OPEN_WEBUI_KEY"),
            "model": given("TEST_OPEN_WEBUI_MODEL"),
        }

    def test_it_works(self, endpoint: dict[str, str], ask: Ask) -> None:
        result = driver("open_webui", vision=True, **endpoint).generate(ask(deadline=time.monotonic() + 120))
        assert result.text
        assert result.usage.input_tokens > 0

    def test_its_models_are_listed(self, endpoint: dict[str, str]) -> None:
        found = driver("open_webui", **endpoint)
        assert isinstance(found, ListsModels)
        assert endpoint["model"] in {model.id for model in found.upstream_models(time.monotonic() + 60)}


def data_url() -> str:
    return f"data:{PIXEL.media_type};base64,{base64.b64encode(PIXEL.data).decode()}"
