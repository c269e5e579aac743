"""Turning a task and its reading into a request to a model."""

from __future__ import annotations

from modelsregistry.contract import Attachment, GenerationRequest, SourcePage
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters


def compose(  # noqa: PLR0913 - all that a request is made of
    model: str,
    question: str,
    pages: tuple[SourcePage, ...],
    options: RequestOptions,
    parameters: Parameters,
    deadline: float,
    attachment: Attachment | None = None,
) -> GenerationRequest:
    """The request."""
    return GenerationRequest(
        model=model,
        question=question,
        instruction=instruction(parameters, question),
        pages=pages,
        deadline=deadline,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        attachment=attachment,
    )


def instruction(parameters: Parameters, question: str) -> str:
    """What a model is told beside the document. The template's `{prompt}` is replaced as text: nothing else in it, or
    in the prompt, is a format."""
    return parameters.default_prompt_template.replace("{prompt}", question)
