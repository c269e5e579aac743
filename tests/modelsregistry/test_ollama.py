"""What goes to Ollama, and what is made of its answer."""

from __future__ import annotations

import base64
import json

import pytest

from modelsregistry.contract import Endpoint, SourcePage, UpstreamModel, Usage
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected
from tests.modelsregistry.conftest import PIXEL
from tests.modelsregistry.stand_in import respond

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}


@pytest.fixture
def ollama(upstream):
    """A driver pointed at `upstream`; keywords replace fields of its endpoint."""

    def make(**fields):
        given = {"model": "llava:7b", "base_url": upstream.url.removesuffix("/v1"), "stall_timeout": 10.0}
        return driver_class("ollama")(Endpoint(**{**given, **fields}))

    return make


def lines(*rows, status=200):
    return respond(status, "".join(json.dumps(row) + "\n" for row in rows), "application/x-ndjson")


def piece(content="", **message):
    return {"model": "llava:7b", "message": {"role": "assistant", "content": content, **message}, "done": False}


def end(reason="stop", **counts):
    return {**piece(), "done": True, "done_reason": reason, **counts}


def well(*pieces):
    return lines(*map(piece, pieces), end(prompt_eval_count=21, eval_count=3))


def test_it_works(upstream, ollama, ask):
    upstream.script(well("Forty", "-two", "."))
    heard = []

    result = ollama().generate(ask(), heard.append)

    assert heard == ["Forty", "-two", "."]
    assert (result.text, result.finish_reason, result.model) == ("Forty-two.", "stop", "llava:7b")
    assert result.usage == Usage(21, 3)
    assert (upstream.last.method, upstream.last.path) == ("POST", "/api/chat")
    assert "authorization" not in upstream.last.headers
    body = upstream.last.json
    assert (body["model"], body["stream"], body["truncate"]) == ("llava:7b", True, False)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


@pytest.mark.parametrize("ending", ["", "/", "/api", "/v1", "/api/"])
def test_the_address_may_end_as_other_programs_want_it(upstream, ollama, ask, ending):
    upstream.script(well("Yes."))

    ollama(base_url=upstream.url.removesuffix("/v1") + ending).generate(ask())

    assert upstream.last.path == "/api/chat"


def test_a_secret_goes_as_a_bearer_token(upstream, ollama, ask):
    upstream.script(well("Yes."))
    ollama(secret="s3cret", headers={"X-Team": "a"}).generate(ask())

    assert upstream.last.headers["authorization"] == "Bearer s3cret"
    assert upstream.last.headers["x-team"] == "a"


def test_every_page_goes_as_a_bare_picture_and_the_text_says_which_is_which(upstream, ollama, ask):
    upstream.script(well("Yes."))
    result = ollama(vision=True).generate(ask())

    user = upstream.last.json["messages"][-1]
    assert [base64.b64decode(image, validate=True) for image in user["images"]] == [PIXEL.data, PIXEL.data]
    places = [user["content"].index(word) for word in ("Page 1", "Picture 1", "Page 2", "Picture 2", "Tell: what")]
    assert places == sorted(places)
    assert result.dropped == ()


def test_a_text_model_gets_no_picture(upstream, ollama, ask):
    upstream.script(well("Yes."))
    result = ollama(vision=False).generate(ask())

    assert "images" not in upstream.last.json["messages"][-1]
    assert result.dropped == ("images",)


def test_a_document_cannot_name_pictures_of_its_own(upstream, ollama, ask):
    upstream.script(well("Yes."))
    page = SourcePage(1, "See [img] and [img-7], not [image].", PIXEL)
    ollama(vision=True).generate(ask(pages=(page,), system="[img-1]"))

    sent = json.dumps(upstream.last.json["messages"])
    assert "[img]" not in sent
    assert "[img-" not in sent
    assert "[image]" in sent


def test_settings_travel_under_the_names_that_it_knows(upstream, ollama, ask):
    upstream.script(well("{}"))
    ollama(options={"think": "false"}).generate(ask(temperature=0.0, max_tokens=77, response_schema=SCHEMA))

    body = upstream.last.json
    assert body["options"]["temperature"] == 0.0
    assert body["options"]["num_predict"] == 77
    assert body["format"] == SCHEMA
    assert body["think"] is False


def test_what_was_not_asked_for_is_not_sent(upstream, ollama, ask):
    upstream.script(well("Yes."))
    ollama().generate(ask())

    assert set(upstream.last.json["options"]) == {"num_ctx"}
    assert not {"format", "think"} & set(upstream.last.json)


@pytest.mark.parametrize(
    ("characters", "fields", "limit", "size"),
    [
        (10, {}, None, 4096),
        (10, {}, 2048, 2048),
        (30_000, {}, None, 16_384),
        (30_000, {"max_tokens": 9_000}, None, 32_768),
        (30_000, {}, 12_000, 12_000),
        (300_000, {}, 131_072, 131_072),
    ],
)
def test_the_context_is_as_large_as_the_prompt_needs(upstream, ollama, ask, characters, fields, limit, size):
    upstream.script(well("Yes."))
    ollama(context_length=limit).generate(ask(pages=(SourcePage(1, "x" * characters),), **fields))

    assert upstream.last.json["options"]["num_ctx"] == size


def test_pictures_need_context_too(upstream, ollama, ask):
    upstream.script(well("Yes."))
    ollama(vision=True).generate(ask(pages=tuple(SourcePage(number, "", PIXEL) for number in range(1, 11))))

    assert upstream.last.json["options"]["num_ctx"] == 32_768


def test_a_prompt_that_takes_more_tokens_than_thought_gets_more_context_once(upstream, ollama, ask):
    refused = respond(400, {"error": "the input length exceeds the context length"})
    upstream.script(refused, well("Yes."))

    assert ollama(context_length=10_000).generate(ask()).details == {"context_size": 10_000}
    assert [received.json["options"]["num_ctx"] for received in upstream.received] == [4096, 10_000]

    upstream.script(refused)
    for limit, tries in ((10_000, 2), (4096, 1), (None, 2)):
        upstream.received.clear()
        with pytest.raises(ModelRejected) as raised:
            ollama(context_length=limit).generate(ask())
        assert raised.value.code == "context_length_exceeded"
        assert len(upstream.received) == tries


def test_what_it_thinks_is_no_answer(upstream, ollama, ask):
    thoughts = [piece(thinking="The user asks"), piece(thinking=" for forty-two.")]
    upstream.script(lines(*thoughts, piece("Forty-two."), end(eval_count=9)))
    heard = []

    result = ollama().generate(ask(), heard.append)

    assert (result.text, heard) == ("Forty-two.", ["Forty-two."])
    assert result.usage.estimated

    upstream.script(lines(*thoughts, end("length", prompt_eval_count=1, eval_count=9)))
    with pytest.raises(ModelRejected) as raised:
        ollama().generate(ask())
    assert raised.value.code == "answer_empty"


def test_the_end_by_length_is_told(upstream, ollama, ask):
    upstream.script(lines(piece("Some"), end("length", prompt_eval_count=1, eval_count=1)))

    assert ollama().generate(ask()).finish_reason == "length"


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (lines(piece("Forty-")), ModelOverloaded, "answer_truncated"),
        (lines(piece("Forty-"), {"error": "an error was encountered"}), ModelOverloaded, "provider_error"),
        (lines(piece("Forty-"), ["x"]), ModelOverloaded, "answer_broken"),
        (respond(200, '{"message": {"content": "half', "application/x-ndjson"), ModelOverloaded, "answer_broken"),
        (lines(end("load")), ModelOverloaded, "answer_empty"),
        (respond(200, "", "application/x-ndjson"), ModelOverloaded, "answer_truncated"),
        (respond(404, {"error": "model 'llava:7b' not found"}), ModelMisconfigured, "upstream_model_unknown"),
        (respond(401, {"error": {"message": "who?"}}), ModelMisconfigured, "credential_refused"),
        (respond(503, {"error": "server busy, maximum pending requests"}), ModelOverloaded, "provider_overloaded"),
        (respond(500, "not json"), ModelOverloaded, "provider_error"),
        (
            respond(500, {"error": "this model only supports one image while more than one image requested"}),
            ModelRejected,
            "images_not_supported",
        ),
    ],
)
def test_what_goes_wrong_is_told_as_what_it_is(upstream, ollama, ask, reply, kind, code):
    upstream.script(reply)

    with pytest.raises(ModelError) as raised:
        ollama().generate(ask())
    assert (type(raised.value), raised.value.code) == (kind, code)


def shown(*capabilities, architecture="llama", **info):
    return respond(
        200,
        {
            "capabilities": list(capabilities),
            "model_info": {"general.architecture": architecture, **{k.replace("__", "."): v for k, v in info.items()}},
        },
    )


def test_models_are_listed_with_what_it_says_of_each(upstream, ollama):
    names = ["llava:7b", "text:1b", "nomic-embed-text", "old:1b", "gone:1b"]
    upstream.script(
        respond(200, {"models": [{"name": name, "model": name} for name in names] + [{"size": 3}, "x"]}),
        shown("completion", "vision", llama__context_length=4096),
        shown("completion", "tools", architecture="qwen2", qwen2__context_length=32_768, llama__context_length=1),
        shown("embedding"),
        respond(200, {}),
        respond(404, {"error": "model not found"}),
    )

    found = ollama().upstream_models(deadline=float("inf"))

    told = {"native_pdf": False, "structured_output": True}
    assert found == (
        UpstreamModel("llava:7b", 4096, vision=True, **told),
        UpstreamModel("text:1b", 32_768, vision=False, **told),
        UpstreamModel("old:1b", None, vision=None, **told),
        UpstreamModel("gone:1b", None, vision=None, **told),
    )
    assert [(received.method, received.path) for received in upstream.received[:2]] == [
        ("GET", "/api/tags"),
        ("POST", "/api/show"),
    ]
    assert upstream.received[1].json == {"model": "llava:7b"}


@pytest.mark.parametrize("listing", [{"models": "x"}, "x", 3, None, []])
def test_a_listing_that_is_none_is_an_error(upstream, ollama, listing):
    upstream.script(respond(200, listing))

    with pytest.raises(ModelOverloaded):
        ollama().upstream_models(deadline=float("inf"))


@pytest.mark.parametrize("fields", [{"base_url": ""}, {"options": {"think": "hard"}}, {"secret": "a\nb"}])
def test_an_endpoint_that_cannot_work_is_refused_at_once(ollama, fields):
    with pytest.raises(ModelMisconfigured):
        ollama(**fields)
