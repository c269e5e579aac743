"""Turning a task and its reading into a request to a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from modelsregistry.contract import Attachment, GenerationRequest, SourcePage
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters

_SCHEMA = (
    "Reply with one JSON value that is valid against the following JSON Schema, and with nothing else: no words around "
    "it, no code fence. Where the document does not hold a value, use null if the schema allows it, and do not invent "
    "one.\n{schema}"
)
_MEND = (
    "An earlier reply to this was not valid:\n{problems}\n\nThe earlier reply began:\n{reply}\n\nReply again, with "
    "valid JSON alone."
)
_MOST_OF_REPLY = 4000  # characters


def compose(  # noqa: PLR0913 - all that a request is made of
    model: str,
    question: str,
    pages: tuple[SourcePage, ...],
    options: RequestOptions,
    parameters: Parameters,
    deadline: float,
    attachment: Attachment | None = None,
    system: str = "",
) -> GenerationRequest:
    """The request."""
    return GenerationRequest(
        model=model,
        question=question,
        instruction=instruction(parameters, question, options),
        pages=pages if parameters.enable_multimodal else tuple(_in_one_way(page) for page in pages),
        deadline=deadline,
        system=system,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        response_schema=options.response_schema,
        attachment=attachment,
    )


def instruction(parameters: Parameters, question: str, options: RequestOptions) -> str:
    """What a model is told beside the document. The template's `{prompt}` is replaced as text: nothing else in it, or
    in the prompt, is a format."""
    told = parameters.default_prompt_template.replace("{prompt}", question)
    if options.response_schema is not None:
        told += "\n\n" + _SCHEMA.format(schema=json.dumps(options.response_schema, ensure_ascii=False))
    return told


def mending(request: GenerationRequest, reply: str, problems: Sequence[str]) -> GenerationRequest:
    """The same request once more, with what was wrong with the reply to it."""
    told = _MEND.format(problems="\n".join(f"- {each}" for each in problems), reply=reply[:_MOST_OF_REPLY])
    return dataclasses.replace(request, instruction=f"{request.instruction}\n\n{told}")


def _in_one_way(page: SourcePage) -> SourcePage:
    """A page that is shown, without its text."""
    return page if page.image is None else dataclasses.replace(page, text="")
