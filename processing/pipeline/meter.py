"""What one claim spends: set aside in the caller's budgets before each request to a model, and added up, with what
else is counted of its work."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal

from modelsregistry.contract import Usage
from modelsregistry.errors import ModelForbidden
from modelsregistry.metering import Bound
from processing import metrics
from processing.access.budgets import Need
from processing.access.usage import Spent
from processing.errors import ProcessingError
from processing.metrics import Increment
from processing.tasks import spending
from processing.tasks.lifecycle import Claim

_TO_SETTLE = timedelta(minutes=1)  # after the deadline; an answer may wait for the database


class ClaimMeter:
    """The `Meter` of one claim, which works until `deadline` (a `time.monotonic()` value) at the latest."""

    def __init__(self, claim: Claim, deadline: float) -> None:
        self._claim = claim
        self.deadline = deadline
        self._spent: list[Spent] = []
        self._counted: list[Increment] = []
        self.has_reserved = False

    @property
    def total(self) -> tuple[Spent, ...]:
        """All that was spent, request by request."""
        return tuple(self._spent)

    @property
    def counted(self) -> tuple[Increment, ...]:
        """All that is to be counted when the claim ends."""
        return tuple(self._counted)

    def count(self, *increments: Increment) -> None:
        """Count it with the end of the claim."""
        self._counted += increments

    def require(self, bound: Bound) -> None:
        """Set the bound aside beside what was spent already. Raises `ModelForbidden`, from what `budgets.reserve`
        raises."""
        tokens = sum(each.input_tokens + each.output_tokens for each in self._spent)
        money = sum((each.cost or Decimal(0) for each in self._spent), Decimal(0))
        need = Need(bound.model, tokens + bound.tokens, None if bound.cost is None else money + bound.cost)
        lasting = timedelta(seconds=max(0.0, self.deadline - time.monotonic())) + _TO_SETTLE
        try:
            self.has_reserved |= spending.reserve(self._claim.task, self._claim.token, need, lasting)
        except ProcessingError as error:
            raise ModelForbidden(error.detail, error.code) from error

    def spent(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        self._spent.append(Spent(model, usage.input_tokens, usage.output_tokens, cost))

    def request_ended(self, provider: str, outcome: str, seconds: float) -> None:
        self.count(*metrics.PROVIDER_REQUESTS.by(1, provider, outcome))
        if outcome == "answered":
            self.count(*metrics.PROVIDER_SECONDS.observed(seconds, provider))
