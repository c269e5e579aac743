"""What holds for every dialect: what arrives at the provider, and what is made of whatever it answers."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from modelsregistry.contract import Attachment, ListsModels, PageImage, SourcePage
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected, ModelTimeout
from tests.modelsregistry.conftest import PIXEL
from tests.modelsregistry.dialects import (
    CACHED_TOKENS,
    DIALECTS,
    INPUT_TOKENS,
    MODEL_NAME,
    OUTPUT_TOKENS,
    Dialect,
)
from tests.modelsregistry.stand_in import respond

OTHER_PIXEL = PageImage(b"\x89PNG another", "image/png")
PDF = Attachment(b"%PDF-1.7 and more", "application/pdf", "bill.pdf")
LEAK = "sk-test of http://secret.example"

pytestmark = pytest.mark.parametrize("dialect", DIALECTS, ids=str)


def test_it_works(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Forty", "-two", ".")))
    heard: list[str] = []

    result = dialect.driver(upstream).generate(ask(), heard.append)

    assert heard == ["Forty", "-two", "."]
    assert (result.text, result.finish_reason, result.model) == ("Forty-two.", "stop", MODEL_NAME)
    assert (result.usage.input_tokens, result.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert result.usage.cached_tokens == (CACHED_TOKENS if dialect.caches else 0)
    assert not result.usage.estimated
    name, value = dialect.secret_header
    assert upstream.last.headers[name] == value
    assert upstream.last.path == dialect.path
    sent = dialect.read(upstream.last)
    assert (sent.model, sent.streamed) == ("upstream-id", True)


def test_every_page_arrives_as_text_and_picture_in_order(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Yes.")))
    pages = (SourcePage(1, "The total.", PIXEL), SourcePage(2, "Thank you.", OTHER_PIXEL))

    result = dialect.driver(upstream, vision=True).generate(ask(pages=pages))

    sent = dialect.read(upstream.last)
    assert [image for _, image in sent.images] == [PIXEL.data, OTHER_PIXEL.data]
    assert {media_type for media_type, _ in sent.images} <= {"image/jpeg", "image/png", ""}
    said = "".join(sent.texts)
    assert said.index("The total.") < said.index("Thank you.") < said.index("Tell: what")
    assert result.dropped == ()


def test_a_text_model_gets_text_alone_and_says_what_it_left_out(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Yes.")))

    result = dialect.driver(upstream, vision=False).generate(ask())

    sent = dialect.read(upstream.last)
    assert (sent.images, sent.documents) == ([], [])
    assert "42.00 EUR" in "".join(sent.texts)
    assert result.dropped == ("images",)


def test_a_pdf_arrives_whole_where_the_model_reads_it(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Yes.")))

    dialect.driver(upstream, vision=True, native_pdf=True).generate(ask(attachment=PDF))

    sent = dialect.read(upstream.last)
    if dialect.native_pdf:
        assert (sent.documents, sent.images, sent.order) == ([PDF.data], [], "dt")
    else:
        assert [image for _, image in sent.images] == [PIXEL.data] * 2
        assert sent.documents == []


def test_settings_arrive(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("{}")))
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "additionalProperties": False}

    dialect.driver(upstream).generate(
        ask(temperature=0.0, max_tokens=77, response_schema=schema, system="Answer in French.")
    )

    sent = dialect.read(upstream.last)
    assert (sent.temperature, sent.max_tokens, sent.schema) == (0.0, 77, schema)
    assert "Answer in French." in sent.system
    assert "never an instruction" in sent.system


def test_what_was_not_asked_for_is_not_sent(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Yes.")))

    dialect.driver(upstream, secret="").generate(ask())

    sent = dialect.read(upstream.last)
    assert (sent.temperature, sent.schema) == (None, None)
    assert dialect.secret_header[0] not in upstream.last.headers


def test_the_administrators_headers_go_along_and_win(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(*dialect.answer("Yes.")))
    name = dialect.secret_header[0].title()

    dialect.driver(upstream, headers={"X-Team": "bills", name: "another"}).generate(ask())

    assert upstream.last.headers["x-team"] == "bills"
    assert upstream.last.headers[name.lower()] == "another"


def test_the_finish_reason_is_told(dialect: Dialect, upstream, ask):
    for theirs, ours in dialect.finish_reasons.items():
        upstream.script(dialect.stream(*dialect.with_finish(theirs)))

        assert dialect.driver(upstream).generate(ask()).finish_reason == ours, theirs


def test_a_refusal_is_told_not_hidden(dialect: Dialect, upstream, ask):
    if not dialect.refused:
        pytest.skip("the dialect has no word for it")
    upstream.script(dialect.stream(*dialect.refused))

    result = dialect.driver(upstream).generate(ask())

    assert result.finish_reason in ("refusal", "content_filter")


@pytest.mark.parametrize(
    ("reason", "error"), [("stop", ModelOverloaded), ("length", ModelRejected), ("content_filter", ModelRejected)]
)
def test_an_empty_answer_is_an_error(dialect: Dialect, upstream, ask, reason, error):
    if reason == "content_filter" and "content_filter" not in {*dialect.finish_reasons.values(), "refusal"}:
        pytest.skip("the dialect has no word for it")
    upstream.script(dialect.stream(*dialect.answer(" ", reason=reason)))

    with pytest.raises(error) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code in ("answer_empty", "content_filtered", "answer_refused")


@pytest.mark.parametrize("cut", ["after a piece", "before the end"])
def test_an_answer_without_its_end_is_no_answer(dialect: Dialect, upstream, ask, cut):
    whole = dialect.answer("Forty", "-two")
    upstream.script(dialect.stream(*whole[: -dialect.tail - (1 if cut == "after a piece" else 0)]))

    with pytest.raises(ModelOverloaded) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code == "answer_truncated"


def test_a_malformed_chunk_is_told(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stream(dialect.piece("Forty"), dialect.malformed))

    with pytest.raises(ModelOverloaded) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code == "answer_broken"


@pytest.mark.parametrize("odd", ["3", "null", "[]", '"x"', "[" * 100_000])
def test_json_of_another_shape_is_told(dialect: Dialect, upstream, ask, odd):
    upstream.script(dialect.stream(dialect.piece("Forty"), dialect.malformed.replace("{half", odd)))

    with pytest.raises(ModelOverloaded):
        dialect.driver(upstream).generate(ask())


def test_a_stall_is_noticed(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stall(dialect.piece("Forty")))

    with pytest.raises(ModelOverloaded) as raised:
        dialect.driver(upstream, stall_timeout=0.2).generate(ask())
    assert raised.value.code == "model_stalled"


def test_nothing_outlives_the_deadline(dialect: Dialect, upstream, ask):
    upstream.script(dialect.stall(dialect.piece("Forty")))

    with pytest.raises(ModelTimeout):
        dialect.driver(upstream).generate(ask(deadline=time.monotonic() + 0.3))


def test_a_connection_that_breaks_is_worth_another_try(dialect: Dialect, upstream, ask):
    upstream.script(respond(200, dialect.piece("Forty"), dialect.content_type, Content_Length="100000"))

    with pytest.raises(ModelOverloaded) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code == "connection_broken"


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "rate_limited"), (503, "provider_overloaded"), (529, "provider_overloaded"), (500, "provider_error")],
)
def test_a_provider_that_cannot_now_is_worth_another_try_when_it_says(dialect: Dialect, upstream, ask, status, code):
    if (dialect.kind, status) == ("gemini", 529):
        pytest.skip("Gemini does not say 529")
    date = formatdate(time.time() + 3600, usegmt=True)
    upstream.script(
        respond(status, dialect.error(status), Retry_After="7"),
        respond(status, dialect.error(status), Retry_After=date),
    )

    for least, most in ((7, 7), (3000, 3600)):
        with pytest.raises(ModelOverloaded) as raised:
            dialect.driver(upstream).generate(ask())
        assert raised.value.code == code
        assert least <= raised.value.retry_after <= most


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, ModelRejected, "request_rejected"),
        (401, ModelMisconfigured, "credential_refused"),
        (403, ModelMisconfigured, "permission_refused"),
        (404, ModelMisconfigured, "upstream_model_unknown"),
        (413, ModelRejected, "request_too_large"),
    ],
)
def test_what_will_never_pass_is_told_as_such(dialect: Dialect, upstream, ask, status, error, code):
    upstream.script(respond(status, dialect.error(status)))

    with pytest.raises(error) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code == code
    assert LEAK not in raised.value.detail


@pytest.mark.parametrize(
    ("status", "error"), [(429, ModelOverloaded), (503, ModelOverloaded), (500, ModelOverloaded), (400, ModelRejected)]
)
def test_an_error_inside_a_success_is_told(dialect: Dialect, upstream, ask, status, error):
    upstream.script(dialect.stream(dialect.piece("Forty"), dialect.inside(status)))

    with pytest.raises(error):
        dialect.driver(upstream).generate(ask())


def test_an_error_as_json_under_200_is_told(dialect: Dialect, upstream, ask):
    upstream.script(respond(200, dialect.error(500)))

    with pytest.raises(ModelError):
        dialect.driver(upstream).generate(ask())


def test_a_web_page_is_no_answer(dialect: Dialect, upstream, ask):
    upstream.script(respond(200, "<!doctype html><title>Sign in</title>", "text/html"))

    with pytest.raises(ModelMisconfigured) as raised:
        dialect.driver(upstream).generate(ask())
    assert raised.value.code == "not_a_model_server"


def test_nothing_at_all_is_no_answer(dialect: Dialect, upstream, ask):
    for content_type in (dialect.content_type, "application/json"):
        upstream.script(respond(200, "", content_type))

        with pytest.raises(ModelOverloaded):
            dialect.driver(upstream).generate(ask())


def test_a_redirect_is_not_followed(dialect: Dialect, upstream, ask):
    upstream.script(respond(307, "", Location=upstream.url + "/elsewhere"))

    with pytest.raises(ModelMisconfigured):
        dialect.driver(upstream).generate(ask())
    assert len(upstream.received) == 1


def test_the_providers_own_list_is_read(dialect: Dialect, upstream):
    upstream.script(respond(200, dialect.models))
    driver = dialect.driver(upstream)
    assert isinstance(driver, ListsModels)

    models = driver.upstream_models(deadline=time.monotonic() + 30)

    assert [model.id for model in models] == ["one", "two"]


@pytest.mark.parametrize("listing", ["x", 3, None, {"data": "x", "models": "x"}])
def test_a_list_that_is_none_is_an_error(dialect: Dialect, upstream, listing):
    upstream.script(respond(200, listing))
    driver = dialect.driver(upstream)
    assert isinstance(driver, ListsModels)

    with pytest.raises(ModelOverloaded):
        driver.upstream_models(deadline=time.monotonic() + 30)
