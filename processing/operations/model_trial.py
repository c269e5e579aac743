"""Tries a model on a real one-page document: what an administrator presses after setting one up."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from decimal import Decimal

from PIL import Image, ImageDraw, ImageFont

from modelsregistry import generation
from modelsregistry.contract import GenerationRequest, PageImage, SourcePage
from modelsregistry.errors import ModelError
from modelsregistry.models import RegisteredModel

SECONDS = 30.0
_QUESTION = "What is the total due on this invoice? Answer with the amount alone."
_LINES = ("Invoice 2041", "Oak shelf board   2 x 31.50 EUR", "Delivery   17.40 EUR", "Total due: 80.40 EUR")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: an `answer`, or an `error` in words. `seconds` is what it took, `cost` is in US dollars."""

    answer: str = ""
    error: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cost: Decimal | None = None


def try_out(model: RegisteredModel) -> Trial:
    """Ask the model, and nobody in its place, about one page: a picture for a model that sees, else text."""
    if not (model.enabled and model.provider.enabled):
        return Trial(error="It is switched off, or its provider is.")
    page = SourcePage(1, "", PageImage(_picture(), "image/png")) if model.vision else SourcePage(1, "\n".join(_LINES))
    started = time.monotonic()
    request = GenerationRequest(
        model=model.public_id, question=_QUESTION, instruction=_QUESTION, pages=(page,), deadline=started + SECONDS
    )
    try:
        result = generation.generate(request, may_use=lambda _: False)
    except ModelError as error:
        return Trial(error=error.detail, seconds=time.monotonic() - started)
    return Trial(
        answer=result.text.strip(),
        error="" if result.text.strip() else "It answered with nothing.",
        seconds=time.monotonic() - started,
        input_tokens=result.usage.input_tokens,
        output_tokens=result.usage.output_tokens,
        estimated=result.usage.estimated,
        cost=result.cost,
    )


def _picture() -> bytes:
    page = Image.new("L", (800, 420), 255)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(32)
    for number, text in enumerate(_LINES):
        draw.text((50, 50 + 80 * number), text, fill=0, font=font)
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()
