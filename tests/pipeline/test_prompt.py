"""What a model is sent of a document: text and picture of a page together, or one of them."""

from __future__ import annotations

import pytest

from modelsregistry.contract import PageImage, SourcePage
from processing.pipeline.options import RequestOptions
from processing.pipeline.prompt import compose
from processing.runtime.parameters import Parameters

PAGES = (SourcePage(1, "first", PageImage(b"picture", "image/jpeg")), SourcePage(2, "second"))


@pytest.mark.parametrize(("enabled", "texts"), [(True, ["first", "second"]), (False, ["", "second"])])
def test_a_page_that_is_shown_goes_with_its_text_or_without(enabled: bool, texts: list[str]) -> None:
    options = RequestOptions.model_validate({"temperature": 0, "max_tokens": 5, "timeout": 9})
    request = compose("m", "What?", PAGES, options, Parameters(enable_multimodal=enabled), deadline=1.0)
    assert [page.text for page in request.pages] == texts
    assert [page.image is not None for page in request.pages] == [True, False]


def test_the_template_holds_the_question_as_it_is() -> None:
    options = RequestOptions.model_validate({"temperature": 0, "max_tokens": 5, "timeout": 9})
    parameters = Parameters(default_prompt_template="Say {prompt}, {other} and {prompt}.")
    request = compose("m", "{0} {prompt}", PAGES, options, parameters, deadline=1.0)
    assert request.instruction == "Say {0} {prompt}, {other} and {0} {prompt}."
