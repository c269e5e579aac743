"""The whole vocabulary between the service and a model: a request, a result, the driver that makes one of the other.

Everything here is plain data. A driver reads what its dialect can carry and ignores nothing in silence: what it must
leave out (a temperature that the model refuses, an image that it cannot see) it names in `GenerationResult.dropped`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a picture; `media_type` is `image/jpeg` or `image/png`."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class SourcePage:
    """A page as a model gets it: `number` as a person counts (1 …), `text` as Markdown, maybe a picture."""

    number: int
    text: str
    image: PageImage | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A whole document as its provider takes it by itself; `media_type` is `application/pdf`."""

    data: bytes
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One question about one document.

    `question` is what the caller wrote; `instruction` is the same after the prompt template, for models that follow
    instructions. `pages` are in reading order. `attachment` is the same document whole, for models that read it so;
    the others get the pages. `deadline` is a `time.monotonic()` value: no driver works past it.
    """

    model: str
    question: str
    instruction: str
    pages: tuple[SourcePage, ...]
    deadline: float
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    response_schema: Mapping[str, Any] | None = None
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent; `estimated` when the provider did not say. Of the input, `cached_tokens` came from its cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """A place in the document that the answer rests on: `text` stands verbatim on page `page`; `score` is 0.0–1.0."""

    page: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """What a model answered.

    `finish_reason` is `stop`, `length`, `content_filter` or `refusal`. `passages` is what the answer rests on, for
    drivers that know it; None for the others, and then the pipeline looks for evidence itself. `dropped` names request
    fields that the model does not take. `details` goes into the answer's `processing_metadata`. `cost` is in US
    dollars, None where no price is known; the registry knows prices, drivers do not.
    """

    text: str
    model: str
    usage: Usage
    finish_reason: str = "stop"
    passages: tuple[Passage, ...] | None = None
    dropped: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    cost: Decimal | None = None


def ignore_text(_: str) -> None:
    """The listener for callers that do not watch the answer arrive."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one model is reached, and how.

    `model` is the id that the provider knows it by. `stall_timeout` is the longest silence in seconds that is not
    taken for a stall. `options` are the provider's settings that only its dialect understands. `native_pdf` says that
    the model reads a PDF whole, `max_output_tokens` how much it can write. `headers` go with every request; `proxy` is
    the URL of an HTTP proxy; unless `allow_private`, no address of a private network is connected to.
    """

    model: str
    base_url: str = ""
    secret: str = field(default="", repr=False)
    vision: bool = False
    stall_timeout: float = 120.0
    options: Mapping[str, str] = field(default_factory=dict)
    native_pdf: bool = False
    context_length: int | None = None
    max_output_tokens: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str = field(default="", repr=False)
    allow_private: bool = True


@dataclass(frozen=True, slots=True)
class UpstreamModel:
    """A model as its provider lists it. What the provider does not say is None, and is never guessed from a name.

    `context_length` and `max_output_tokens` are in tokens, prices in US dollars for a million tokens.
    """

    id: str
    context_length: int | None = None
    name: str = ""
    max_output_tokens: int | None = None
    vision: bool | None = None
    native_pdf: bool | None = None
    structured_output: bool | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None


class Driver(Protocol):
    """A model dialect. One file in `drivers/` defines one subclass-free implementation and its `kind`.

    A driver is made for one endpoint and one generation. `__init__` raises `ModelMisconfigured` when the endpoint
    cannot work (no address, an unknown option), and connects to nothing.

    `generate` raises `modelsregistry.errors.ModelError` and nothing else; it calls `on_text` with each piece of the
    answer as it arrives, at least once, in order, and the pieces joined are `GenerationResult.text`. The result's
    `model` is what the provider says answered.
    """

    kind: ClassVar[str]
    label: ClassVar[str]

    def __init__(self, endpoint: Endpoint) -> None: ...

    def generate(
        self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text
    ) -> GenerationResult: ...


@runtime_checkable
class ListsModels(Protocol):
    """What a driver may also do: say which models its provider serves."""

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """The provider's own list, by `time.monotonic()` `deadline`. Raises `ModelError`."""
        ...


@runtime_checkable
class ListsTags(Protocol):
    """What a driver may also do: repeat its provider's list of models as Ollama gives it."""

    def tags(self, deadline: float) -> tuple[Mapping[str, Any], ...]:
        """The rows of `/api/tags`, by `time.monotonic()` `deadline`. Raises `ModelError`."""
        ...
