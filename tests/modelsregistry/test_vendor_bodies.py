"""What we send is what the vendors' own SDKs send for the same input, but for differences listed with their reasons.

Needs the packages `anthropic`, `google-genai` and `openai`; they talk to a stand-in on loopback.
"""

from __future__ import annotations

import base64
import copy
import importlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from modelsregistry.contract import Attachment, GenerationRequest, PageImage, SourcePage
from modelsregistry.messages import Conversation, compose
from tests.modelsregistry.conftest import PIXEL
from tests.modelsregistry.dialects import ANTHROPIC, GEMINI, OPENAI_COMPATIBLE, Dialect
from tests.modelsregistry.stand_in import StandIn
from tests.modelsregistry.third_parties import require

PAGES = (SourcePage(1, "Total: 42 €.", PIXEL), SourcePage(2, "Thank you.", PageImage(b"\x89PNG another", "image/png")))
PDF = Attachment(b"%PDF-1.7 and more", "application/pdf", "bill.pdf")


class Bill(BaseModel):
    """The answer that is asked for."""

    total: float
    currency: str


INPUTS: dict[str, dict[str, Any]] = {
    "text alone": {"pages": (SourcePage(1, "Total: 42 €."),)},
    "two pictures": {"pages": PAGES},
    "a whole PDF": {"pages": PAGES, "attachment": PDF},
    "settings": {"pages": PAGES, "system": "Answer in French.", "temperature": 0.5, "max_tokens": 77},
    "a schema": {"pages": PAGES, "response_schema": Bill.model_json_schema()},
}


def sdk(package: str) -> Any:
    require(package)
    return importlib.import_module(package)


def with_openai(url: str, request: GenerationRequest, conversation: Conversation) -> None:
    openai = sdk("openai")

    def part(given: str | PageImage | Attachment) -> Any:
        if isinstance(given, str):
            return {"type": "text", "text": given}
        url = _data_url(given)
        if isinstance(given, Attachment):
            return {"type": "file", "file": {"filename": given.filename, "file_data": url}}
        return {"type": "image_url", "image_url": {"url": url}}

    parts = [part(given) for given in conversation.parts]
    user = {"role": "user", "content": parts if len(parts) > 1 else conversation.parts[0]}
    system = [{"role": "system", "content": conversation.system}] if conversation.system else []
    settings = _given(temperature=request.temperature, max_tokens=request.max_tokens)
    if request.response_schema:
        settings["response_format"] = Bill
    client = openai.OpenAI(base_url=url, api_key="sk-test", max_retries=0)
    with client.chat.completions.stream(
        model="upstream-id", messages=[*system, user], stream_options={"include_usage": True}, **settings
    ) as stream:
        _exhaust(stream)


def with_anthropic(url: str, request: GenerationRequest, conversation: Conversation) -> None:
    anthropic = sdk("anthropic")

    def part(given: str | PageImage | Attachment) -> Any:
        if isinstance(given, str):
            return {"type": "text", "text": given}
        kind = "document" if isinstance(given, Attachment) else "image"
        # The SDK encodes by itself what it is given as a file.
        source = {"type": "base64", "media_type": given.media_type, "data": io.BytesIO(given.data)}
        return {"type": kind, "source": source}

    settings = _given(system=conversation.system or None)
    if request.temperature is not None:
        # The SDK has no parameter for it any more, as the version of the API that it asks for takes none.
        settings["extra_body"] = {"temperature": request.temperature}
    if request.response_schema:
        settings["output_format"] = Bill
    client = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="sk-test", max_retries=0)
    with client.messages.stream(
        model="upstream-id",
        max_tokens=request.max_tokens or 4096,
        messages=[{"role": "user", "content": [part(given) for given in conversation.parts]}],
        **settings,
    ) as stream:
        _exhaust(stream)


def with_gemini(url: str, request: GenerationRequest, conversation: Conversation) -> None:
    genai = sdk("google.genai")
    types = genai.types

    def part(given: str | PageImage | Attachment) -> Any:
        if isinstance(given, str):
            return types.Part.from_text(text=given)
        return types.Part.from_bytes(data=given.data, mime_type=given.media_type)

    settings = _given(
        temperature=request.temperature,
        max_output_tokens=request.max_tokens,
        system_instruction=conversation.system or None,
    )
    if request.response_schema:
        settings |= {"response_mime_type": "application/json", "response_json_schema": dict(request.response_schema)}
    options = types.HttpOptions(base_url=url.removesuffix("/v1"), api_version="v1beta")
    client = genai.Client(api_key="sk-test", http_options=options)
    parts = [part(given) for given in conversation.parts]
    _exhaust(
        client.models.generate_content_stream(
            model="upstream-id",
            contents=types.Content(role="user", parts=parts),
            config=types.GenerateContentConfig(**settings),
        )
    )


def as_openai_has_it(ours: Any) -> Any:
    if "response_format" in ours:
        # The SDK names a schema after its class and promises to be strict, which it may as it rewrites the schema. A
        # caller's schema is the caller's: strict, most would be refused.
        ours["response_format"]["json_schema"] |= {"name": "Bill", "strict": True}
        ours["response_format"]["json_schema"]["schema"]["additionalProperties"] = False
    return ours


def as_anthropic_has_it(ours: Any) -> Any:
    return ours


def as_gemini_has_it(ours: Any) -> Any:
    # The API takes both spellings; there are proxies that drop pictures under the one that the SDK writes.
    for part in ours["contents"][0]["parts"]:
        if "inline_data" in part:
            blob = part["inlineData"] = part.pop("inline_data")
            # Likewise both alphabets of base64.
            blob["data"] = blob["data"].replace("+", "-").replace("/", "_")
    # A system text has no speaker; the SDK fills in its default, which the API does not read.
    if "systemInstruction" in ours:
        ours["systemInstruction"]["role"] = "user"
    # The SDK sends settings even when there are none.
    ours.setdefault("generationConfig", {})
    return ours


VENDORS: list[tuple[Dialect, Callable[..., None], Callable[[Any], Any]]] = [
    (OPENAI_COMPATIBLE, with_openai, as_openai_has_it),
    (ANTHROPIC, with_anthropic, as_anthropic_has_it),
    (GEMINI, with_gemini, as_gemini_has_it),
]


@pytest.mark.parametrize(("dialect", "sdk", "as_sdk_has_it"), VENDORS, ids=[str(row[0]) for row in VENDORS])
@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_the_body_is_the_sdks(upstream: StandIn, ask, dialect, sdk, as_sdk_has_it, given):
    upstream.script(dialect.stream(*dialect.answer('{"total": 42, "currency": "EUR"}')))
    request = ask(**given)

    sdk(upstream.url, request, compose(request, vision=True, native_pdf=True))
    theirs = upstream.last
    dialect.driver(upstream, vision=True, native_pdf=True).generate(request)
    ours = upstream.last

    assert ours is not theirs
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert as_sdk_has_it(copy.deepcopy(ours.json)) == theirs.json
    name, value = dialect.secret_header
    # Anthropic's SDK took to the Authorization header in version 2; the API knows both, those that imitate it this one.
    same = {name: theirs.headers.get(name) or theirs.headers["authorization"].replace("Bearer ", "")}
    assert {name: ours.headers[name]} == same == {name: value}
    # The SDK asks for the newest version of the API; ours is an option, whose default takes a temperature.
    assert ("anthropic-version" in ours.headers) == ("anthropic-version" in theirs.headers)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _data_url(given: PageImage | Attachment) -> str:
    return f"data:{given.media_type};base64,{base64.b64encode(given.data).decode()}"


def _exhaust(stream: Any) -> None:
    for _ in stream:
        pass
