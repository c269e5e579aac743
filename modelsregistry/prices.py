"""What an answer costs, from the tokens that its provider counted and the prices that the administrator entered."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

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


def at_most(read: int, written: int, model: RegisteredModel) -> Decimal | None:
    """US dollars for so many tokens read and written, rounded up; None where a price is not known."""
    if not are_known(model):
        return None
    dearest = max(price for price in (model.input_price, model.cached_input_price) if price is not None)
    total = read * dearest + written * (model.output_price or 0)
    return (total / _MILLION).quantize(Decimal("0.00000001"), ROUND_UP)


def are_known(model: RegisteredModel) -> bool:
    """Whether the cost of every answer can be told."""
    return model.input_price is not None and model.output_price is not None


def is_free(model: RegisteredModel) -> bool:
    """Whether an administrator says that it costs nothing."""
    return are_known(model) and not (model.input_price or model.cached_input_price or model.output_price)
