"""What a model thinks aloud before it answers is no part of its answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelsregistry.contract import Driver, GenerationRequest
from modelsregistry.errors import ModelRejected
from modelsregistry.thoughts import Thoughts
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn

Ask = Callable[..., GenerationRequest]


def heard(*pieces: str) -> str:
    thoughts = Thoughts()
    return "".join([*map(thoughts.without, pieces), thoughts.rest()])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("<think>Hm. 40 + 2?</think>\n\nIt is 42.", "It is 42."),
        ("\n <think>\n</think>It is 42.", "It is 42."),
        ('<think>a < b</thin></think>{"total": 42}', '{"total": 42}'),
        ("It is 42.", "It is 42."),
        (" 42", " 42"),
        ("<thinking> is its name.", "<thinking> is its name."),
        ("The tag <think> opens, </think> closes.", "The tag <think> opens, </think> closes."),
        ("<think>a</think>b <think>c</think>", "b <think>c</think>"),
        ("<think>It never ends", ""),
        ("<think>It ends</think>  ", ""),
        ("<thi", "<thi"),
        ("", ""),
    ],
)
def test_wherever_the_text_is_cut(said: str, answer: str) -> None:
    assert heard(said) == heard(*said) == answer
    for at in range(len(said)):
        assert heard(said[:at], said[at:]) == answer


def test_a_driver_passes_on_the_answer_alone(upstream: StandIn, driver: Callable[..., Driver], ask: Ask) -> None:
    upstream.script(stand_in.answer("<thi", "nk>The total is", " 42?</think>\n", "\n", "It is ", "42."))
    heard: list[str] = []
    result = driver().generate(ask(), heard.append)
    assert (result.text, heard) == ("It is 42.", ["It is ", "42."])
    assert result.usage.output_tokens == 7, "its provider counts what it thought"


def test_a_model_that_thinks_until_its_cap_has_not_answered(
    upstream: StandIn, driver: Callable[..., Driver], ask: Ask
) -> None:
    upstream.script(stand_in.answer("<think>On and on", finish_reason="length"))
    with pytest.raises(ModelRejected) as raised:
        driver().generate(ask())
    assert raised.value.code == "answer_empty"
