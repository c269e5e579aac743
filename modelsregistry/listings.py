"""Lists of models as servers of OpenAI's dialect write them, each with its own words for what a model can do.

Read are vLLM's, OpenRouter's, Mistral's, llama.cpp's and Open WebUI's fields of `/models`, and LiteLLM's `/model/info`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from modelsregistry.contract import UpstreamModel
from modelsregistry.http import broken_answer
from modelsregistry.reply import count_of, fields_of, rows_of, text_of

_MAX_MODELS = 1000
_MILLION = 1_000_000
_SMALLEST_PRICE = Decimal("0.000001")
_LARGEST_PRICE = 1_000_000


def listed(listing: Any) -> tuple[UpstreamModel, ...]:
    """The models of `GET /models`; those that write no text are left out where that is said. Raises `ModelError`."""
    rows = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(rows, list):
        raise broken_answer()
    sees = _seeing(listing)
    found = (_model(row, sees) for row in rows_of(rows[:_MAX_MODELS]) if text_of(row.get("id")) and _writes_text(row))
    return tuple({model.id: model for model in found}.values())


def tells_more(model: UpstreamModel) -> bool:
    """Whether its list said anything of the model but its names."""
    return model != UpstreamModel(model.id, name=model.name)


def completed(models: tuple[UpstreamModel, ...], info: Any) -> tuple[UpstreamModel, ...]:
    """The models with what LiteLLM's `/model/info` says of them. A model that it spreads over several deployments can
    do what each of them can."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows_of(fields_of(info).get("data")):
        rows.setdefault(text_of(row.get("model_name")), []).append(fields_of(row.get("model_info")))
    found = (_informed(model, rows.get(model.id, [])) for model in models)
    return tuple(model for model in found if model is not None)


def _model(row: Mapping[str, Any], seeing: Mapping[str, bool]) -> UpstreamModel:
    pricing, top = fields_of(row.get("pricing")), fields_of(row.get("top_provider"))
    takes = _texts(fields_of(row.get("architecture")).get("input_modalities"))
    supports = _texts(row.get("supported_parameters"))
    return UpstreamModel(
        text_of(row.get("id")),
        context_length=_size(row, "max_model_len", "context_length", "max_context_length"),
        name=text_of(row.get("name"))[:200],
        max_output_tokens=_size(top, "max_completion_tokens"),
        vision="image" in takes if takes else _vision(row, seeing),
        native_pdf="file" in takes if takes else None,
        structured_output="structured_outputs" in supports if supports else None,
        input_price=_per_million(pricing.get("prompt")),
        output_price=_per_million(pricing.get("completion")),
    )


def _vision(row: Mapping[str, Any], seeing: Mapping[str, bool]) -> bool | None:
    """As Mistral says it, Open WebUI of what an administrator saved there, or llama.cpp in a list of its own."""
    meta = fields_of(fields_of(row.get("info")).get("meta"))
    for told in (fields_of(row.get("capabilities")).get("vision"), fields_of(meta.get("capabilities")).get("vision")):
        if isinstance(told, bool):
            return told
    return seeing.get(text_of(row.get("id")))


def _seeing(listing: Any) -> dict[str, bool]:
    """llama.cpp: `models` beside `data`, with `capabilities` among which `multimodal` may be."""
    rows = rows_of(fields_of(listing).get("models"))
    told = {text_of(row.get("model")) or text_of(row.get("name")): _texts(row.get("capabilities")) for row in rows}
    return {name: "multimodal" in found for name, found in told.items() if found}


def _writes_text(row: Mapping[str, Any]) -> bool:
    makes = _texts(fields_of(row.get("architecture")).get("output_modalities"))
    return not makes or "text" in makes


def _informed(model: UpstreamModel, rows: list[Mapping[str, Any]]) -> UpstreamModel | None:
    """None for a model that is no chat model."""
    if not rows:
        return model
    if any(text_of(row.get("mode")) not in ("", "chat", "completion", "responses") for row in rows):
        return None
    first = rows[0]
    return replace(
        model,
        context_length=_least(rows, "max_input_tokens"),
        max_output_tokens=_least(rows, "max_output_tokens"),
        vision=_all(rows, "supports_vision"),
        native_pdf=_all(rows, "supports_pdf_input"),
        structured_output=_all(rows, "supports_response_schema"),
        input_price=_per_million(first.get("input_cost_per_token")),
        output_price=_per_million(first.get("output_cost_per_token")),
    )


def _all(rows: list[Mapping[str, Any]], name: str) -> bool | None:
    told = [row.get(name) for row in rows]
    if False in told:
        return False
    return True if all(one is True for one in told) else None


def _least(rows: list[Mapping[str, Any]], name: str) -> int | None:
    return min((size for row in rows if (size := _size(row, name))), default=None)


def _size(row: Mapping[str, Any], *names: str) -> int | None:
    return next((size for name in names if (size := count_of(row.get(name)))), None)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _per_million(price: Any) -> Decimal | None:
    """A price for one token, a number or a text, as one for a million; a negative one means that it varies."""
    if isinstance(price, bool) or not isinstance(price, int | float | str):
        return None
    try:
        found = Decimal(str(price)) * _MILLION
        return found.quantize(_SMALLEST_PRICE) if 0 <= found < _LARGEST_PRICE else None
    except ArithmeticError:
        return None
