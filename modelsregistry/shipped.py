"""The models that the administration guide names, with the upstream ids that serve them now.

As of 24 November 2026, from the vendors' public pages; prices are US dollars for a million tokens. What is not known
for sure is left out. Vendors retire models and change prices: a row is the administrator's to correct.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelSeed:
    """A model as it is first registered; from then on its row is the administrator's.

    Lengths are in tokens, prices in US dollars for a million. `reason` says why it cannot be had from the start.
    """

    public_id: str
    upstream_id: str
    name: str = ""
    vision: bool = False
    description: str = ""
    context_length: int | None = None
    max_output_tokens: int | None = None
    native_pdf: bool = False
    structured_output: bool = False
    refused_fields: tuple[str, ...] = ()
    input_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    output_price: Decimal | None = None
    reason: str = ""

    def columns(self) -> dict[str, Any]:
        """What of it are columns of a model's row, beside its public id, its provider and whether it can be had."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        del kept["public_id"], kept["reason"]
        return {**kept, "refused_fields": list(self.refused_fields)}


BUILT_IN_MODEL = ModelSeed(
    public_id="local",
    upstream_id="local",
    name="Local (built-in)",
    description=(
        "Answers with passages of the document itself, chosen by rules: no key, no weights, nothing leaves the "
        "machine. Reads text, also recognised text; sees no pictures and does not reason."
    ),
    input_price=Decimal(0),
    output_price=Decimal(0),
)


def _gpt_4o(public_id: str, name: str, description: str) -> ModelSeed:
    return ModelSeed(
        public_id=public_id,
        upstream_id="gpt-4o",
        name=name,
        vision=True,
        description=f"{description} OpenAI means to retire gpt-4o on 14 January 2027.",
        context_length=128_000,
        max_output_tokens=16_384,
        native_pdf=True,
        structured_output=True,
        input_price=Decimal("2.50"),
        cached_input_price=Decimal("1.25"),
        output_price=Decimal(10),
    )


# OpenAI has retired gpt-4-vision-preview and gpt-4-turbo; their names go on working through gpt-4o, and say so.
OPENAI_MODELS = (
    _gpt_4o("gpt-4-vision", "GPT-4 Vision", "An alias: served by gpt-4o."),
    _gpt_4o("gpt-4o", "GPT-4o", "OpenAI's GPT-4o."),
    _gpt_4o("gpt-4-turbo", "GPT-4 Turbo", "Retired by OpenAI: served by gpt-4o."),
    _gpt_4o("gpt-4-vision-preview", "GPT-4 Vision (preview)", "Retired by OpenAI: served by gpt-4o."),
)


def _claude(public_id: str, name: str, upstream_id: str, prices: tuple[str, str, str], more: str = "") -> ModelSeed:
    read, read_again, written = prices
    return ModelSeed(
        public_id=public_id,
        upstream_id=upstream_id,
        name=name,
        vision=True,
        description=f"Retired by Anthropic: served by {upstream_id}, its successor. {more}".strip(),
        context_length=1_000_000,
        max_output_tokens=128_000,
        native_pdf=True,
        structured_output=True,
        refused_fields=("temperature",),  # Anthropic's models refuse it from Opus 4.7 on.
        input_price=Decimal(read),
        cached_input_price=Decimal(read_again),
        output_price=Decimal(written),
    )


ANTHROPIC_MODELS = (
    _claude("claude-3-opus", "Claude 3 Opus", "claude-opus-5-5", ("4", "0.20", "20")),
    _claude("claude-3-sonnet", "Claude 3 Sonnet", "claude-sonnet-5-5", ("2", "0.10", "10")),
    _claude(
        "claude-3-haiku",
        "Claude 3 Haiku",
        "claude-haiku-5-5",
        ("0.10", "0.01", "0.50"),
        "Its prices hold for up to 100,000 tokens in; above that Anthropic takes five times as much.",
    ),
)

GEMINI_MODELS = (
    ModelSeed(
        public_id="gemini-pro-vision",
        upstream_id="gemini-3.8-flash",
        name="Gemini Pro Vision",
        vision=True,
        description="Retired by Google: served by gemini-3.8-flash.",
        context_length=1_048_576,
        max_output_tokens=65_536,
        native_pdf=True,
        structured_output=True,
        refused_fields=("temperature",),  # From Gemini 3.6 on it is ignored, and Google asks not to send it.
        input_price=Decimal("0.75"),
        cached_input_price=Decimal("0.075"),
        output_price=Decimal("3.75"),
    ),
)


def _elsewhere(public_id: str, name: str) -> ModelSeed:
    return ModelSeed(
        public_id=public_id,
        upstream_id=public_id,
        name=name,
        vision=True,
        description=f"{name}, at an OpenAI-compatible server of one's own.",
        reason=(
            f"There is no build of {name} for Ollama. Serve it with an OpenAI-compatible server, add that as a "
            "provider, and name it and its id there in this model."
        ),
    )


OLLAMA_MODELS = (
    ModelSeed(
        public_id="llava",
        upstream_id="llava",
        name="LLaVA",
        vision=True,
        description="LLaVA at Ollama: `ollama pull llava`.",
        structured_output=True,
    ),
    _elsewhere("instructblip", "InstructBLIP"),
    _elsewhere("flamingo", "OpenFlamingo"),
)
