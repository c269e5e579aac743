"""What servers of OpenAI's dialect say of their models, each in its own words; what none says is not guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modelsregistry.contract import Endpoint, UpstreamModel
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelOverloaded
from modelsregistry.listings import completed, listed
from tests.modelsregistry.stand_in import respond

OPENROUTER = {
    "id": "openai/gpt-4o",
    "name": "OpenAI: GPT-4o",
    "context_length": 128_000,
    "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.0000025", "completion": "0.00001"},
    "top_provider": {"max_completion_tokens": 16_384},
    "supported_parameters": ["temperature", "structured_outputs"],
}


def info(name, **fields):
    return {"model_name": name, "litellm_params": {"api_key": "hidden"}, "model_info": fields}


def test_it_works():
    (found,) = listed({"data": [OPENROUTER]})

    assert found == UpstreamModel(
        "openai/gpt-4o",
        context_length=128_000,
        name="OpenAI: GPT-4o",
        max_output_tokens=16_384,
        vision=True,
        native_pdf=True,
        structured_output=True,
        input_price=Decimal("2.5"),
        output_price=Decimal(10),
    )


@pytest.mark.parametrize("name", ["gpt-4-vision-preview", "llava:7b", "qwen-vl", "pixtral"])
def test_a_name_says_nothing(name):
    assert listed({"data": [{"id": name, "object": "model", "owned_by": "openai"}]}) == (UpstreamModel(name),)


@pytest.mark.parametrize(
    ("row", "beside", "vision"),
    [
        ({"capabilities": {"vision": True}}, {}, True),
        ({"capabilities": {"vision": False}}, {}, False),
        ({"info": {"meta": {"capabilities": {"vision": True}}}}, {}, True),
        ({"info": {"meta": {"capabilities": None}}}, {}, None),
        ({}, {"models": [{"model": "m", "capabilities": ["completion", "multimodal"]}]}, True),
        ({}, {"models": [{"name": "m", "capabilities": ["completion"]}]}, False),
        ({"architecture": {"input_modalities": ["text"]}}, {}, False),
        ({"architecture": {"input_modalities": "image"}}, {}, None),
        ({"capabilities": ["vision"]}, {}, None),
        ({"capabilities": {"vision": "yes"}}, {}, None),
    ],
)
def test_vision_is_what_the_server_says(row, beside, vision):
    assert [model.vision for model in listed({"data": [{"id": "m", **row}], **beside})] == [vision]


def test_models_that_write_no_text_are_left_out():
    painter = {"id": "painter", "architecture": {"output_modalities": ["image"]}}

    assert [model.id for model in listed([painter, {"id": "writer"}, {"id": "writer"}, {"id": 3}, "x"])] == ["writer"]


@pytest.mark.parametrize("price", ["-1", -1, "free", None, True, [], "NaN", "Infinity", "1e999999", 10**30])
def test_a_price_that_is_none_is_none(price):
    (found,) = listed([{"id": "m", "pricing": {"prompt": price, "completion": 0}}])

    assert (found.input_price, found.output_price) == (None, Decimal(0))


@pytest.mark.parametrize("size", [0, -1, "4096", True, 1.5, None])
def test_a_size_that_is_none_is_none(size):
    assert [model.context_length for model in listed([{"id": "m", "max_model_len": size}])] == [None]


def test_litellm_says_more_beside_its_list():
    rows = [
        info(
            "big",
            mode="chat",
            supports_vision=True,
            max_input_tokens=200_000,
            max_output_tokens=8192,
            input_cost_per_token=3e-06,
            output_cost_per_token=1.5e-05,
            supports_pdf_input=True,
        ),
        info("two", supports_vision=True, max_input_tokens=8000),
        info("two", supports_vision=False, max_input_tokens=4000),
        info("half", supports_vision=True),
        info("half", supports_vision=None),
        info("vectors", mode="embedding"),
        "x",
    ]
    models = tuple(UpstreamModel(name) for name in ("big", "two", "half", "vectors", "unknown"))

    big, two, half, unknown = completed(models, {"data": rows})

    assert (big.vision, big.native_pdf, big.context_length, big.max_output_tokens) == (True, True, 200_000, 8192)
    assert (big.input_price, big.output_price) == (Decimal(3), Decimal(15))
    assert (two.vision, two.context_length) == (False, 4000)
    assert half.vision is None
    assert unknown == UpstreamModel("unknown")


@pytest.mark.parametrize("answer", [None, "x", {"data": "x"}, {"data": [{"model_name": "m", "model_info": "x"}]}])
def test_a_server_that_is_no_litellm_loses_nothing(answer):
    assert completed((UpstreamModel("m"),), answer) == (UpstreamModel("m"),)


def test_only_a_list_of_bare_names_is_asked_about(upstream, driver):
    upstream.script(respond(200, {"data": [{"id": "m"}]}), respond(200, {"data": [info("m", supports_vision=True)]}))
    assert driver().upstream_models(deadline=float("inf")) == (UpstreamModel("m", vision=True),)
    assert [received.path for received in upstream.received] == ["/v1/models", "/v1/model/info"]

    upstream.received.clear()
    upstream.script(respond(200, {"data": [{"id": "m"}]}), respond(404, {"detail": "Not Found"}))
    assert driver().upstream_models(deadline=float("inf")) == (UpstreamModel("m"),)

    upstream.received.clear()
    upstream.script(respond(200, {"data": [OPENROUTER]}))
    driver().upstream_models(deadline=float("inf"))
    assert [received.path for received in upstream.received] == ["/v1/models"]


@pytest.mark.parametrize("ending", ["", "/", "/api", "/api/v1"])
def test_open_webui_is_asked_under_its_own_address(upstream, ending):
    upstream.script(respond(200, {"data": [{"id": "m", "info": {"meta": {"capabilities": {"vision": True}}}}]}))
    endpoint = Endpoint(model="m", base_url=upstream.url.removesuffix("/v1") + ending, secret="sk-webui")

    assert driver_class("open_webui")(endpoint).upstream_models(float("inf")) == (UpstreamModel("m", vision=True),)
    assert upstream.last.path == "/api/models"
    assert upstream.last.headers["authorization"] == "Bearer sk-webui"


@pytest.mark.parametrize(
    "detail",
    [
        "Model context_length_exceeded",
        [{"loc": ["body"], "msg": "context_length_exceeded", "type": "value_error"}],
        {"error": {"message": "maximum context length is 8"}},
    ],
)
def test_open_webui_tells_errors_in_several_shapes(upstream, ask, detail):
    upstream.script(respond(400, {"detail": detail}))
    driver = driver_class("open_webui")(Endpoint(model="m", base_url=upstream.url))

    with pytest.raises(Exception, match="longer than this model can read"):
        driver.generate(ask())


@pytest.mark.parametrize("listing", [{"data": "x"}, "x", 3, None])
def test_a_list_that_is_none_is_an_error(listing):
    with pytest.raises(ModelOverloaded):
        listed(listing)
