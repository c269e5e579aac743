"""A provider to play with, and a question to ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelsregistry.contract import Driver, Endpoint, GenerationRequest, PageImage, SourcePage
from modelsregistry.discovery import driver_class
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn

PIXEL = PageImage(b"\xff\xd8 not much of a picture", "image/jpeg")


@pytest.fixture
def upstream() -> Iterator[StandIn]:
    with stand_in.running() as running:
        yield running


@pytest.fixture
def ask() -> Callable[..., GenerationRequest]:
    """A request about a two-page document; keywords replace its fields."""

    def make(**fields: Any) -> GenerationRequest:
        pages = (SourcePage(1, "The total is 42.00 EUR.", PIXEL), SourcePage(2, "Thank you.", PIXEL))
        given = {"model": "m", "question": "What is the total?", "instruction": "Tell: what is the total?"}
        return GenerationRequest(**{**given, "pages": pages, "deadline": time.monotonic() + 30, **fields})

    return make


@pytest.fixture
def driver(upstream: StandIn) -> Callable[..., Driver]:
    """A driver pointed at `upstream`; keywords replace fields of its endpoint."""

    def make(**fields: Any) -> Driver:
        given = {"model": "upstream-id", "base_url": upstream.url, "secret": "sk-test", "stall_timeout": 10.0}
        return driver_class("openai_compatible")(Endpoint(**{**given, **fields}))

    return make
