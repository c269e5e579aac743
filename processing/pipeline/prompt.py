"""Turning a task and its reading into a request to a model."""

from __future__ import annotations

from dataclasses import replace

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
    """The request. The template's `{prompt}` is replaced as text: nothing else in it, or in the prompt, is a format."""
    return GenerationRequest(
        model=model,
        question=question,
        instruction=parameters.default_prompt_template.replace("{prompt}", question),
        pages=pages if parameters.enable_multimodal else tuple(_in_one_way(page) for page in pages),
        deadline=deadline,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        attachment=attachment,
    )


def _in_one_way(page: SourcePage) -> SourcePage:
    """A page that is shown, without its text."""
    return page if page.image is None else replace(page, text="")
