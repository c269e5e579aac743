"""The models that the administration guide names, with the upstream ids that serve them now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSeed:
    """A model as it is first registered; from then on its row is the administrator's."""

    public_id: str
    upstream_id: str
    name: str = ""
    vision: bool = False
    description: str = ""
    context_length: int | None = None
    max_output_tokens: int | None = None


BUILT_IN_MODEL = ModelSeed(
    public_id="local",
    upstream_id="local",
    name="Local (built-in)",
    description=(
        "Answers with passages of the document itself, chosen by rules: no key, no weights, nothing leaves the "
        "machine. Reads text, also recognised text; sees no pictures and does not reason."
    ),
)


def _gpt_4o(public_id: str, name: str, description: str) -> ModelSeed:
    return ModelSeed(
        public_id=public_id,
        upstream_id="gpt-4o",
        name=name,
        vision=True,
        description=description,
        context_length=128_000,
        max_output_tokens=16_384,
    )


# OpenAI has retired gpt-4-vision-preview and gpt-4-turbo; their names go on working through gpt-4o, and say so.
OPENAI_MODELS = (
    _gpt_4o("gpt-4-vision", "GPT-4 Vision", "An alias: served by gpt-4o."),
    _gpt_4o("gpt-4o", "GPT-4o", "OpenAI's GPT-4o."),
    _gpt_4o("gpt-4-turbo", "GPT-4 Turbo", "Retired by OpenAI: served by gpt-4o."),
    _gpt_4o("gpt-4-vision-preview", "GPT-4 Vision (preview)", "Retired by OpenAI: served by gpt-4o."),
)
