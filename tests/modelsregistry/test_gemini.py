"""What is Gemini's alone: paths that name the model, thoughts among the parts, blocked prompts, waits in the body."""

from __future__ import annotations

import time

import pytest

from modelsregistry.contract import UpstreamModel, Usage
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected
from tests.modelsregistry.dialects import GEMINI, data
from tests.modelsregistry.stand_in import respond


@pytest.fixture
def gemini(upstream):
    upstream.script(GEMINI.stream(*GEMINI.answer("Forty-two.")))
    return lambda **fields: GEMINI.driver(upstream, **fields)


@pytest.mark.parametrize(
    ("model", "ending", "options", "path"),
    [
        ("gemini-x", "/v1beta", {}, "/v1beta/models/gemini-x"),
        ("gemini-x", "", {"api_version": "v1"}, "/v1/models/gemini-x"),
        ("gemini-x", "/v1/", {}, "/v1beta/models/gemini-x"),
        ("models/gemini-x", "/proxy/v1alpha2", {}, "/proxy/v1beta/models/gemini-x"),
        ("tunedModels/mine", "/", {}, "/v1beta/tunedModels/mine"),
        ("../../secrets?x=1#y", "", {}, "/v1beta/models/..%2F..%2Fsecrets%3Fx%3D1%23y"),
    ],
)
def test_the_path_names_version_and_model(upstream, gemini, ask, model, ending, options, path):
    base = upstream.url.removesuffix("/v1") + ending
    gemini(model=model, base_url=base, options=options).generate(ask())

    assert upstream.last.path == f"{path}:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("version", ["beta", "v1/../x", "v1 ", 1, "v"])
def test_an_option_of_no_meaning_is_refused(gemini, version):
    with pytest.raises(ModelMisconfigured, match="api_version: such as v1beta"):
        gemini(options={"api_version": version})


def test_pictures_go_under_the_name_that_every_proxy_knows(upstream, gemini, ask):
    gemini(vision=True).generate(ask())

    blobs = [part["inline_data"] for part in upstream.last.json["contents"][0]["parts"] if "text" not in part]
    assert [blob["mime_type"] for blob in blobs] == ["image/jpeg", "image/jpeg"]


def test_the_secret_is_not_in_the_address(upstream, gemini, ask):
    gemini().generate(ask())

    assert "sk-test" not in upstream.last.path


def test_thoughts_are_no_answer_but_are_paid(upstream, gemini, ask):
    parts = [{"text": "Let me see.", "thought": True}, {"functionCall": {}}, {"text": "Forty"}, {"text": "-two."}, "x"]
    upstream.script(
        GEMINI.stream(
            data({"candidates": [{"content": {"parts": parts}}, {"content": {"parts": [{"text": "Another."}]}}]}),
            data({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 8}}),
            data({"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 30}}),
        )
    )

    result = gemini().generate(ask())

    assert (result.text, result.usage) == ("Forty-two.", Usage(9, 32))


def test_an_end_that_an_old_server_says_with_every_chunk_is_not_the_end(upstream, gemini, ask):
    chunks = [*GEMINI.answer("Forty"), *GEMINI.answer("-two.")]
    upstream.script(GEMINI.stream(*chunks))

    assert gemini().generate(ask()).text == "Forty-two."


def test_after_the_finish_reason_a_stall_costs_nothing(upstream, gemini, ask):
    upstream.script(GEMINI.stall(*GEMINI.answer("Forty-two.")))

    assert gemini(stall_timeout=0.2).generate(ask()).text == "Forty-two."


def test_a_reason_that_is_none_is_no_end(upstream, gemini, ask):
    upstream.script(GEMINI.stream(*GEMINI.answer("Forty", reason="FINISH_REASON_UNSPECIFIED")))

    with pytest.raises(ModelOverloaded) as raised:
        gemini().generate(ask())
    assert raised.value.code == "answer_truncated"


def test_a_blocked_prompt_is_told_as_such(upstream, gemini, ask):
    upstream.script(GEMINI.stream(data({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}})))

    with pytest.raises(ModelRejected) as raised:
        gemini().generate(ask())
    assert raised.value.code == "content_filtered"


@pytest.mark.parametrize(
    ("reason", "error", "code"),
    [
        ("MALFORMED_RESPONSE", ModelOverloaded, "answer_broken"),
        ("UNEXPECTED_TOOL_CALL", ModelOverloaded, "answer_broken"),
        ("PUP_LIMITED_DISABLED", ModelMisconfigured, "account_limited"),
    ],
)
def test_an_end_that_is_a_failure_is_told_as_such(upstream, gemini, ask, reason, error, code):
    upstream.script(GEMINI.stream(*GEMINI.answer("Forty", reason=reason)))

    with pytest.raises(error) as raised:
        gemini().generate(ask())
    assert raised.value.code == code


def test_a_server_that_answers_as_a_list_is_understood(upstream, gemini, ask):
    chunks = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in ("Forty", "-two.")]
    upstream.script(respond(200, [*chunks, {"candidates": [{"finishReason": "STOP"}]}]))

    assert gemini().generate(ask()).text == "Forty-two."


def complaint(code: int, status: str, message: str = "no", **detail: object) -> dict:
    return {"error": {"code": code, "status": status, "message": message, "details": [{"@type": "x"}, detail, "y"]}}


@pytest.mark.parametrize(
    ("delay", "wait"),
    [("37s", 37.0), ("0.5s", 0.5), ("999999s", 86_400.0), ("soon", None), ("nans", None), (5, None), ("s", None)],
)
@pytest.mark.parametrize("inside", [False, True], ids=["by status", "mid-stream"])
def test_the_wait_in_the_body_is_passed_on(upstream, gemini, ask, delay, wait, inside):
    body = complaint(429, "RESOURCE_EXHAUSTED", retryDelay=delay)
    upstream.script(GEMINI.stream(data(body)) if inside else respond(429, [body]))

    with pytest.raises(ModelOverloaded) as raised:
        gemini().generate(ask())
    assert (raised.value.code, raised.value.retry_after) == ("rate_limited", wait)


def test_a_header_is_believed_before_the_body(upstream, gemini, ask):
    upstream.script(respond(429, complaint(429, "RESOURCE_EXHAUSTED", retryDelay="37s"), Retry_After="5"))

    with pytest.raises(ModelOverloaded) as raised:
        gemini().generate(ask())
    assert raised.value.retry_after == 5


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [(408, True), (409, False), (425, False), (500, True), (501, False), (502, True), (504, True), (529, False)],
)
def test_only_what_google_calls_retryable_is(upstream, gemini, ask, status, is_retryable):
    upstream.script(respond(status, {}))

    with pytest.raises(ModelError) as raised:
        gemini().generate(ask())
    assert raised.value.retryable == is_retryable


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        (
            complaint(400, "INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"),
            ModelMisconfigured,
            "credential_refused",
        ),
        (
            complaint(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed"
            ),
            ModelRejected,
            "context_length_exceeded",
        ),
        (
            complaint(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
            ModelMisconfigured,
            "provider_not_available_here",
        ),
        (complaint(429, "RESOURCE_EXHAUSTED", "Your credits are depleted."), ModelMisconfigured, "quota_exhausted"),
    ],
)
def test_a_complaint_means_what_its_words_say(upstream, gemini, ask, body, error, code):
    upstream.script(respond(body["error"]["code"], body))

    with pytest.raises(error) as raised:
        gemini().generate(ask())
    assert raised.value.code == code


def test_the_list_is_read_to_its_last_page(upstream, gemini):
    makes = ["generateContent"]
    one = {"name": "models/one", "displayName": "One", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    upstream.script(
        respond(200, {"models": [{**one, "supportedGenerationMethods": makes}, {"name": 3}], "nextPageToken": "a/b"}),
        respond(
            200, {"models": [{"name": "models/two", "supportedGenerationMethods": makes}, {"name": "models/embed"}]}
        ),
    )

    models = gemini().upstream_models(time.monotonic() + 30)

    assert models == (UpstreamModel("one", 1_048_576, "One", 65_536), UpstreamModel("two"))
    assert [received.path for received in upstream.received] == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=a%2Fb",
    ]
