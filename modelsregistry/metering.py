"""What a request to a model may cost at most, told before it is sent, and what it did cost, told whatever became of it.

A provider is paid for what it read and wrote, also where the answer broke off, was cancelled, or was of no use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from modelsregistry import prices, size
from modelsregistry.contract import GenerationRequest, GenerationResult, Usage, ignore_text
from modelsregistry.errors import ModelError, ModelTimeout
from modelsregistry.models import RegisteredModel

_MOST_WRITTEN = 32_000  # tokens, where neither the request nor the model has a bound


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one request to a model takes: tokens read and written, and US dollars, None without a price."""

    model: str
    tokens: int
    cost: Decimal | None


class Meter(Protocol):
    """Who watches what is spent. Each request to a provider is announced, and settled once it has ended."""

    def require(self, bound: Bound) -> None:
        """Make sure that so much may be spent beside what was already. Raises `ModelForbidden`."""
        ...

    def spent(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        """Note what a request took, as far as it is known; `model` is a public id. Must not raise."""
        ...

    def request_ended(self, provider: str, outcome: str, seconds: float) -> None:
        """Note how a request went, and how long it took: `answered`, `interrupted`, or the error's code. Must not
        raise."""
        ...


class Unmetered:
    """For those who count nothing."""

    def require(self, bound: Bound) -> None:
        return

    def spent(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        return

    def request_ended(self, provider: str, outcome: str, seconds: float) -> None:
        return


@dataclass(slots=True)
class Call:
    """One request to a model's provider, from its announcement to what it took."""

    meter: Meter
    model: RegisteredModel
    request: GenerationRequest
    on_text: Callable[[str], None] = ignore_text
    _heard: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)

    def announce(self) -> None:
        """Raises `ModelForbidden`."""
        self.meter.require(bound(self.request, self.model))
        self._began = time.monotonic()

    def hear(self, piece: str) -> None:
        """Pass a piece of the answer on."""
        self._heard += len(piece.encode("utf-8", "replace"))
        self.on_text(piece)

    def answered(self, result: GenerationResult) -> None:
        self._tell("answered")
        self._settle(result.usage)

    def failed(self, error: ModelError) -> None:
        """What the provider said that it took; else our estimate, unless the provider never got to work."""
        self._tell(error.code)
        if error.usage is not None:
            self._settle(error.usage)
        elif self._heard or isinstance(error, ModelTimeout):
            self._settle(self._estimate())

    def interrupted(self) -> None:
        """Somebody stopped it: the provider had the whole question."""
        self._tell("interrupted")
        self._settle(self._estimate())

    def _tell(self, outcome: str) -> None:
        self.meter.request_ended(self.model.provider.name, outcome, time.monotonic() - self._began)

    def _estimate(self) -> Usage:
        return Usage(size.likely(self.request), size.likely_tokens(self._heard), estimated=True)

    def _settle(self, usage: Usage) -> None:
        self.meter.spent(self.model.public_id, usage, prices.cost(usage, self.model))


def bound(request: GenerationRequest, model: RegisteredModel) -> Bound:
    """The most that a request, fitted for this model, can take. Texts are counted generously; what a picture takes is
    a generous guess."""
    written = request.max_tokens or model.max_output_tokens or model.context_length or _MOST_WRITTEN
    read = size.at_most(request)
    if model.context_length is not None:
        read = min(read, model.context_length)
    return Bound(model.public_id, read + written, prices.at_most(read, written, model))
