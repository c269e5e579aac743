"""What is Anthropic's alone: required caps, two counts of tokens, thinking, typed errors, abilities in the list."""

from __future__ import annotations

import json
import time

import pytest

from modelsregistry.contract import UpstreamModel, Usage
from modelsregistry.errors import ModelMisconfigured, ModelOverloaded, ModelRejected
from modelsregistry.schemas import closed
from tests.modelsregistry.dialects import ANTHROPIC, data
from tests.modelsregistry.stand_in import respond

TOO_LONG = (ModelRejected, "context_length_exceeded")
NO_CREDIT = (ModelMisconfigured, "quota_exhausted")


@pytest.fixture
def claude(upstream):
    upstream.script(ANTHROPIC.stream(*ANTHROPIC.answer("Forty-two.")))
    return lambda **fields: ANTHROPIC.driver(upstream, **fields)


@pytest.mark.parametrize(
    ("asked", "can_write", "sent"), [(None, None, 4096), (None, 64_000, 64_000), (77, 64_000, 77), (77, None, 77)]
)
def test_the_cap_that_the_api_requires_is_always_sent(upstream, claude, ask, asked, can_write, sent):
    claude(max_output_tokens=can_write).generate(ask(max_tokens=asked))

    assert upstream.last.json["max_tokens"] == sent


def test_the_version_of_the_api_is_sent(upstream, claude, ask):
    claude().generate(ask())
    assert upstream.last.headers["anthropic-version"] == "2023-06-01"

    claude(options={"anthropic_version": "2027-01-31"}).generate(ask())
    assert upstream.last.headers["anthropic-version"] == "2027-01-31"


@pytest.mark.parametrize("options", [{"anthropic_version": "latest"}, {"anthropic_version": 3}, {"api_version": "v1"}])
def test_an_option_of_no_meaning_is_refused(claude, options):
    with pytest.raises(ModelMisconfigured, match="anthropic_version: such as 2023-06-01"):
        claude(options=options)


@pytest.mark.parametrize("ending", ["/v1", "/v1/", "", "/"])
def test_the_address_may_name_the_version_or_not(upstream, claude, ask, ending):
    claude(base_url=upstream.url.removesuffix("/v1") + ending).generate(ask())

    assert upstream.last.path == "/v1/messages"


def test_a_temperature_beyond_the_highest_is_sent_as_the_highest_and_told(upstream, claude, ask):
    result = claude().generate(ask(temperature=1.7))
    assert upstream.last.json["temperature"] == 1.0
    assert result.details == {"temperature": 1.0}

    assert claude().generate(ask(temperature=0.3)).details == {}


def test_a_version_that_takes_no_temperature_gets_none_and_that_is_told(upstream, claude, ask):
    options = {"anthropic_version": "2026-10-21"}

    assert claude(options=options).generate(ask(temperature=0.3)).dropped == ("images", "temperature")
    assert "temperature" not in upstream.last.json
    assert claude(options=options, vision=True).generate(ask()).dropped == ()


def test_tokens_of_both_counts_are_put_together(upstream, claude, ask):
    start, *middle, delta, stop = ANTHROPIC.answer("Forty-two.")
    later = {"input_tokens": 6, "cache_read_input_tokens": 100, "output_tokens": 9, "server_tool_use": None}
    ending = data({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": later})
    upstream.script(ANTHROPIC.stream(start, *middle, ending, stop))

    assert delta != ending
    assert claude().generate(ask()).usage == Usage(6 + 100 + 2, 9, cached_tokens=100)


def test_what_the_model_thinks_and_what_is_not_known_is_no_answer(upstream, claude, ask):
    start, *rest = ANTHROPIC.answer("Forty-two.")
    thoughts = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "Hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me see."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "abc"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "x"}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "index": 2, "delta": "text"},
        {"type": "invented_later", "text": "No answer."},
        {},
    ]
    upstream.script(ANTHROPIC.stream(start, *map(data, thoughts), *rest))

    assert claude().generate(ask()).text == "Forty-two."


def test_a_refusal_without_words_says_so(upstream, claude, ask):
    upstream.script(ANTHROPIC.stream(*ANTHROPIC.answer(reason="refusal")))

    with pytest.raises(ModelRejected) as raised:
        claude().generate(ask())
    assert raised.value.code == "answer_refused"


def test_even_after_the_stop_reason_the_end_mark_must_come(upstream, claude, ask):
    upstream.script(ANTHROPIC.stream(*ANTHROPIC.answer("Forty-two.")[:-1]))

    with pytest.raises(ModelOverloaded) as raised:
        claude().generate(ask())
    assert raised.value.code == "answer_truncated"


def test_a_server_that_does_not_stream_is_understood(upstream, claude, ask):
    content = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Forty"}, {"type": "text", "text": "."}]
    message = {"type": "message", "model": "x", "content": content, "stop_reason": "max_tokens"}
    upstream.script(respond(200, {**message, "usage": {"input_tokens": 3, "output_tokens": 2}}))

    result = claude().generate(ask())

    assert (result.text, result.finish_reason, result.usage) == ("Forty.", "length", Usage(3, 2))


@pytest.mark.parametrize(
    ("status", "kind", "message", "error", "code"),
    [
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", *TOO_LONG),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 1 > 8", *TOO_LONG),
        (400, "invalid_request_error", "Your credit balance is too low", *NO_CREDIT),
        (400, "invalid_request_error", "You have reached your specified API usage limits.", *NO_CREDIT),
        (402, "billing_error", "no", *NO_CREDIT),
        (403, "permission_error", "no", ModelMisconfigured, "permission_refused"),
        (404, "not_found_error", "model: no", ModelMisconfigured, "upstream_model_unknown"),
        (504, "timeout_error", "no", ModelOverloaded, "provider_error"),
        (529, "overloaded_error", "Overloaded", ModelOverloaded, "provider_overloaded"),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["by status", "mid-stream"])
def test_an_error_means_the_same_by_its_status_and_by_its_type(
    upstream, claude, ask, status, kind, message, error, code, inside
):
    body = {"type": "error", "error": {"type": kind, "message": message}}
    upstream.script(
        ANTHROPIC.stream(ANTHROPIC.piece("Forty"), data(body, "error")) if inside else respond(status, body)
    )

    with pytest.raises(error) as raised:
        claude().generate(ask())
    assert raised.value.code == code


def test_a_spent_limit_under_429_is_not_tried_again(upstream, claude, ask):
    details = {"error_code": "contract_spend_limit_reached"}
    upstream.script(respond(429, {"type": "error", "error": {"type": "rate_limit_error", "details": details}}))

    with pytest.raises(ModelMisconfigured) as raised:
        claude().generate(ask())
    assert raised.value.code == "quota_exhausted"


def test_the_list_says_what_a_model_can_and_is_read_to_its_last_page(upstream, claude):
    yes, no = {"supported": True}, {"supported": False}
    able = {"image_input": yes, "pdf_input": yes, "structured_outputs": no}
    one = {"id": "one", "display_name": "One", "max_input_tokens": 200_000, "max_tokens": 64_000, "capabilities": able}
    upstream.script(
        respond(200, {"data": [one, {"id": 3}, "x"], "has_more": True, "last_id": "one"}),
        respond(200, {"data": [{"id": "two", "capabilities": None, "max_tokens": 0}], "has_more": False}),
    )

    models = claude().upstream_models(time.monotonic() + 30)

    assert models == (UpstreamModel("one", 200_000, "One", 64_000, True, True, False), UpstreamModel("two"))
    assert [received.path for received in upstream.received] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=one",
    ]


def test_a_list_without_end_is_given_up(upstream, claude):
    def page(exchange):
        count = len(upstream.received)
        respond(200, {"data": [{"id": f"m{count}"}], "has_more": True, "last_id": f"m{count}"})(exchange)

    upstream.script(page)
    assert len(claude().upstream_models(time.monotonic() + 30)) == len(upstream.received) == 10

    upstream.received.clear()
    upstream.script(respond(200, {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}))
    assert len(claude().upstream_models(time.monotonic() + 30)) == 1
    assert len(upstream.received) == 2


def test_objects_are_closed_where_their_properties_are_named():
    point = {"type": "object", "properties": {"x": {"type": "number"}}}
    given = {
        "type": "object",
        "properties": {
            "points": {"type": "array", "items": point},
            "either": {"anyOf": [point, {"type": "null"}]},
            "open": {**point, "additionalProperties": True},
            "any": {"type": "object"},
            "both": {"allOf": [point]},
            "properties": {"type": "string"},
        },
        "$defs": {"point": point},
    }
    before = json.dumps(given)

    found = closed(given)

    shut = {**point, "additionalProperties": False}
    assert json.dumps(given) == before
    assert found["additionalProperties"] is False
    assert found["$defs"] == {"point": shut}
    assert found["properties"] == {
        "points": {"type": "array", "items": shut},
        "either": {"anyOf": [shut, {"type": "null"}]},
        "open": given["properties"]["open"],
        "any": {"type": "object"},
        "both": {"allOf": [point]},
        "properties": {"type": "string"},
    }


def test_an_address_is_needed(claude):
    with pytest.raises(ModelMisconfigured):
        claude(base_url="")
