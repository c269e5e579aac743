"""What an answer costs, from the tokens that its provider counted and the prices that the administrator entered."""

from __future__ import annotations

from decimal import Decimal

from modelsregistry.contract import Usage
from modelsregistry.models import RegisteredModel

_MILLION = Decimal(1_000_000)


def cost(usage: Usage, model: RegisteredModel) -> Decimal | None:
    """US dollars, to the hundred-millionth; None where a price that is needed is not known."""
    fresh = max(usage.input_tokens - usage.cached_tokens, 0)
    cached_price = model.input_price if model.cached_input_price is None else model.cached_input_price
    parts = [
        (fresh, model.input_price),
        (min(usage.cached_tokens, usage.input_tokens), cached_price),
        (usage.output_tokens, model.output_price),
    ]
    if any(tokens and price is None for tokens, price in parts) or model.input_price is None:
        return None
    total = sum((tokens * price for tokens, price in parts if price is not None), Decimal(0))
    return (total / _MILLION).quantize(Decimal("0.00000001"))
