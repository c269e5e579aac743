"""A schema is one that can be held to, and what is held to it is mended, refused or stopped in time."""

from __future__ import annotations

import json
import time

import pytest

from processing.pipeline import schema

INVOICE = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "currency": {"enum": ["EUR", "USD"]}},
    "required": ["total"],
    "additionalProperties": False,
}


def soon() -> float:
    return time.monotonic() + 30


def nested(depth: int) -> str:
    return '{"not":' * depth + '{"type":"string"}' + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        "true",
        '{"type": "objekt"}',
        '{"properties": []}',
        '{"minimum": "a"}',
        nested(1000),
        nested(40),
        '{"$ref": "http://127.0.0.1:1/schema.json"}',
        '{"properties": {"a": {"$ref": "other.json#/x"}}}',
        '{"properties": {"a": {"$id": "http://example.org/a", "type": "string"}}}',
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
        json.dumps({"description": "x" * 1_000_000}),
        json.dumps({"type": [*range(9000), "string"]}),
        json.dumps({"properties": {"a": {"type": ["string"] * 8}}}),
    ],
)
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(schema.BadSchema):
        schema.parse(text)


def test_a_property_may_be_called_as_a_keyword_is() -> None:
    assert schema.parse('{"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}')


@pytest.mark.parametrize(
    "answer",
    [
        '{"total": 108.0, "currency": "EUR"}',
        '```json\n{"total": 108.0, "currency": "EUR"}\n```',
        'Here it is:\n\n{"total": 108.0, "currency": "EUR"}\n\nAnything else?',
        "{'total': 108.0, 'currency': 'EUR',}",
        '{"total": 108.0, "currency": "EUR"',
    ],
)
def test_what_a_model_wraps_around_an_answer_or_leaves_out_is_mended(answer: str) -> None:
    verdict = schema.checked(answer, INVOICE, soon())
    assert verdict.problems == ()
    assert verdict.data == {"total": 108.0, "currency": "EUR"}
    assert json.loads(verdict.text) == verdict.data


@pytest.mark.parametrize(
    "answer", ["", "I do not know.", '{"currency": "EUR"}', '{"total": "108"}', "[1]", '{"total": NaN}']
)
def test_what_does_not_fit_is_told_in_words(answer: str) -> None:
    verdict = schema.checked(answer, INVOICE, soon())
    assert verdict.problems
    assert all(verdict.problems)


def test_a_pattern_that_takes_for_ever_is_stopped() -> None:
    slow = {"type": "string", "pattern": "^(a+)+$"}
    began = time.monotonic()
    verdict = schema.checked(json.dumps("a" * 40 + "!"), slow, time.monotonic() + 1)
    assert verdict.problems
    assert time.monotonic() - began < 20


def test_a_schema_that_refers_to_itself_alone_is_an_answer_that_cannot_be_checked() -> None:
    assert schema.checked("1", schema.parse('{"$ref": "#"}'), soon()).problems
