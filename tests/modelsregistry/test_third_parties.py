"""Every vendor's driver against a stand-in that others wrote: what it was sent, and what is made of its worst days."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from modelsregistry.contract import Attachment, GenerationRequest, ListsModels, PageImage, SourcePage
from modelsregistry.errors import ModelMisconfigured, ModelOverloaded, ModelRejected, ModelTimeout
from tests.modelsregistry import third_parties
from tests.modelsregistry.third_parties import VENDORS, Llmock, Vendor

pytestmark = pytest.mark.parametrize("vendor", VENDORS, ids=str)

Ask = Callable[..., GenerationRequest]
ANSWER = "The total is 42.00 EUR."


@pytest.fixture(scope="module")
def server() -> Iterator[Llmock]:
    with third_parties.running() as running:
        yield running


@pytest.fixture
def llm(server: Llmock) -> Llmock:
    server.reset()
    return server


def picture(colour: str) -> PageImage:
    drawn = io.BytesIO()
    Image.new("RGB", (60, 80), colour).save(drawn, "PNG")
    return PageImage(drawn.getvalue(), "image/png")


def bill() -> Attachment:
    written = io.BytesIO()
    canvas = Canvas(written)
    canvas.drawString(72, 720, "Total: 42.00 EUR")
    canvas.save()
    return Attachment(written.getvalue(), "application/pdf", "bill.pdf")


def reply(text: str = ANSWER, reason: str = "stop") -> dict[str, Any]:
    return {"type": "reply", "text": text, "finish_reason": reason}


def fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "stream_fault", "kind": kind, "after_chunks": 3, **fields}


def test_it_works(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script(reply())
    heard: list[str] = []

    result = vendor.driver(llm).generate(ask(), heard.append)

    assert heard == ["The ", "total ", "is ", "42.00 ", "EUR."]
    assert (result.text, result.model, result.finish_reason) == (ANSWER, vendor.model, "stop")
    assert not result.usage.estimated
    assert result.usage.input_tokens > 0 < result.usage.output_tokens
    (asked,) = llm.requests
    assert (asked["provider"], asked["status"], asked["stream"]) == (vendor.name, 200, True)


def test_two_pictures_arrive(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    pages = (SourcePage(1, "The total.", picture("red")), SourcePage(2, "Thank you.", picture("blue")))

    result = vendor.driver(llm, vision=True).generate(ask(pages=pages))

    (asked,) = llm.requests
    assert vendor.pictures(asked["body"]) == [picture("red").data, picture("blue").data]
    assert vendor.documents(asked["body"]) == []
    assert result.dropped == ()


def test_a_pdf_arrives_whole(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    document = bill()

    vendor.driver(llm, vision=True, native_pdf=True).generate(ask(attachment=document))

    (asked,) = llm.requests
    assert vendor.documents(asked["body"]) == [document.data]
    assert vendor.pictures(asked["body"]) == []


def test_its_models_are_listed(vendor: Vendor, llm: Llmock) -> None:
    driver = vendor.driver(llm)
    assert isinstance(driver, ListsModels)

    listed = {model.id: model for model in driver.upstream_models(time.monotonic() + third_parties.PATIENCE)}

    assert len(listed) > 3
    assert (listed[vendor.model].context_length is not None) == vendor.lists_limits
    assert {model.vision for model in listed.values()} == {None}, "never guessed from a name"


def test_a_rate_limit_says_when_to_come_back(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script({"type": "fail", "status": 429, "retry_after": 7})

    with pytest.raises(ModelOverloaded) as raised:
        vendor.driver(llm).generate(ask())

    assert (raised.value.code, raised.value.retry_after) == ("rate_limited", 7)
    assert [row["fault"] for row in llm.requests] == ["scenario:429"]


def test_an_overloaded_vendor_is_worth_another_try(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script({"type": "fail", "status": vendor.overloaded}, reply())
    driver = vendor.driver(llm)

    with pytest.raises(ModelOverloaded) as raised:
        driver.generate(ask())
    assert raised.value.code == "provider_overloaded"

    assert vendor.driver(llm).generate(ask()).text == ANSWER


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, ModelRejected, "request_rejected"),
        (401, ModelMisconfigured, "credential_refused"),
        (404, ModelMisconfigured, "upstream_model_unknown"),
    ],
)
def test_what_will_never_pass_is_told_as_such(
    vendor: Vendor, llm: Llmock, ask: Ask, status: int, error: type[Exception], code: str
) -> None:
    llm.script({"type": "fail", "status": status})

    with pytest.raises(error) as raised:
        vendor.driver(llm).generate(ask())
    assert getattr(raised.value, "code", "") == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [("truncate", "answer_truncated"), ("malformed", "answer_broken"), ("disconnect", "connection_broken")],
)
def test_an_answer_that_breaks_off_is_none(vendor: Vendor, llm: Llmock, ask: Ask, kind: str, code: str) -> None:
    llm.script(fault(kind), reply())

    with pytest.raises(ModelOverloaded) as raised:
        vendor.driver(llm).generate(ask())

    assert raised.value.code == code
    assert llm.requests[0]["fault"] == f"stream:{kind}@3"


def test_a_stall_is_noticed(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script(fault("stall", stall_seconds=third_parties.PATIENCE), reply())

    with pytest.raises(ModelOverloaded) as raised:
        vendor.driver(llm, stall_timeout=1.0).generate(ask())
    assert raised.value.code == "model_stalled"


def test_nothing_outlives_the_deadline(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script({"type": "delay", "seconds": third_parties.PATIENCE}, reply())

    with pytest.raises(ModelTimeout):
        vendor.driver(llm).generate(ask(deadline=time.monotonic() + 1))


def test_an_answer_cut_at_its_cap_says_so(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script(reply("The total", "length"))

    result = vendor.driver(llm).generate(ask(max_tokens=2))

    assert (result.text, result.finish_reason) == ("The total", "length")


def test_a_refusal_is_told(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script(reply("I cannot help with that.", "content_filter"))

    result = vendor.driver(llm).generate(ask())

    assert result.finish_reason == ("refusal" if vendor.name == "anthropic" else "content_filter")


def test_a_withheld_answer_is_told(vendor: Vendor, llm: Llmock, ask: Ask) -> None:
    llm.script(reply("", "content_filter"))

    with pytest.raises(ModelRejected) as raised:
        vendor.driver(llm).generate(ask())
    assert raised.value.code == ("answer_refused" if vendor.name == "anthropic" else "content_filtered")
