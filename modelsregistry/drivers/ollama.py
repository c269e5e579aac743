"""Ollama's own chat API, where pictures, the size of the context and what a model can do are better told than in the
OpenAI dialect that it speaks as well."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from modelsregistry.contract import (
    Endpoint,
    GenerationRequest,
    GenerationResult,
    PageImage,
    UpstreamModel,
    Usage,
    ignore_text,
)
from modelsregistry.endpoints import request_headers, require_address, require_options, require_secret_for_header
from modelsregistry.errors import ModelError, ModelMisconfigured, ModelRejected
from modelsregistry.http import Answer, Call, answering, broken_answer, truncated_answer
from modelsregistry.messages import Conversation, compose
from modelsregistry.refusals import Complaint, refusal
from modelsregistry.reply import Reply, count_of, decoded, fields_of, rows_of, text_of

_MAX_MODELS = 200
_TAG_FIELDS = ("name", "model", "modified_at", "size", "digest", "details")
_FINISH_REASONS = {"length": "length"}

# For the size of the context, where too much costs memory and too little costs pages: text is rarely shorter than this
# in tokens, and the pictures of vision models that Ollama runs are up to about this large.
_BYTES_PER_TOKEN = 3
_TOKENS_PER_IMAGE = 1_600
_ROOM_TO_ANSWER = 2_048
_SMALLEST_CONTEXT = 4_096

# Ollama marks the places of pictures like this in the prompt, and fails or mixes pages up when a document does so too.
_PICTURE_MARK = re.compile(r"\[(img(?:-\d+)?)\]")


class Ollama:
    """`/api/chat`, always streamed. A secret goes as a Bearer token, as servers before it want it; it asks for none.

    The option `think` is `true` or `false` for models that can think before they answer; what they think is no part of
    the answer.
    """

    kind: ClassVar[str] = "ollama"
    label: ClassVar[str] = "Ollama"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {"think": ("true", "false")})
        self._endpoint = endpoint
        # Some write the address as other programs want it, up to the API or to that in OpenAI's dialect.
        self._base = re.sub(r"/(api|v1)$", "", endpoint.base_url.rstrip("/"))

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision)
        size = self._context(request, conversation)
        reply = Reply(on_text)
        try:
            self._ask(request, conversation, size, reply)
        except ModelRejected as error:
            larger = self._at_most(size * 4)
            if error.code != "context_length_exceeded" or larger <= size:
                raise
            size = larger  # figures and rare scripts take more tokens than text does
            self._ask(request, conversation, size, reply)
        return reply.result(self._endpoint.model, conversation, {"context_size": size})

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `/api/tags` lists, each with what `/api/show` tells of it; models that only embed are left out.

        Raises `ModelError`.
        """
        names = [text_of(row.get("model")) or text_of(row.get("name")) for row in self.tags(deadline)]
        shown = ((name, self._shown(name, deadline)) for name in names[:_MAX_MODELS] if name)
        return tuple(_listed(name, about) for name, about in shown if _answers(about))

    def tags(self, deadline: float) -> tuple[Mapping[str, Any], ...]:
        """The rows of `/api/tags`, with the fields that Ollama documents. Raises `ModelError`."""
        with answering(self._call("GET", "/api/tags", deadline)) as answer:
            listing = fields_of(answer.json())
        if not isinstance(listing.get("models"), list):
            raise broken_answer()
        return tuple({name: row[name] for name in _TAG_FIELDS if name in row} for row in rows_of(listing["models"]))

    def _shown(self, name: str, deadline: float) -> Mapping[str, Any]:
        """What is told of one model; nothing when it went meanwhile or its files are broken."""
        try:
            with answering(self._call("POST", "/api/show", deadline, {"model": name})) as answer:
                return fields_of(answer.json())
        except (ModelMisconfigured, ModelRejected):
            return {}

    def _ask(self, request: GenerationRequest, conversation: Conversation, size: int, reply: Reply) -> None:
        body = self._body(request, conversation, size)
        with answering(self._call("POST", "/api/chat", request.deadline, body)) as answer:
            _read(answer, reply)

    def _call(self, method: str, path: str, deadline: float, body: Mapping[str, Any] | None = None) -> Call:
        endpoint = self._endpoint
        own = {"Authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}
        return Call(
            method=method,
            url=self._base + path,
            headers=request_headers(endpoint, own),
            deadline=deadline,
            stall_timeout=endpoint.stall_timeout,
            proxy=endpoint.proxy,
            allow_private=endpoint.allow_private,
            words=_words,
            body=body,
        )

    def _body(self, request: GenerationRequest, conversation: Conversation, size: int) -> dict[str, Any]:
        options: dict[str, Any] = {"num_ctx": size}
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.max_tokens is not None:
            options["num_predict"] = request.max_tokens
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": _messages(conversation),
            "stream": True,
            # Else what does not fit is cut away without a word, and the answer rests on a part of the document.
            "truncate": False,
            "shift": False,
            "options": options,
        }
        if request.response_schema is not None:
            body["format"] = dict(request.response_schema)
        if "think" in self._endpoint.options:
            body["think"] = self._endpoint.options["think"] == "true"
        return body

    def _context(self, request: GenerationRequest, conversation: Conversation) -> int:
        """Tokens of context to ask for: the estimate's next power of two, as each other size loads the model anew."""
        texts = [conversation.system, *(part for part in conversation.parts if isinstance(part, str))]
        read = sum(len(text.encode("utf-8", "replace")) for text in texts) // _BYTES_PER_TOKEN
        read += len(_pictures(conversation)) * _TOKENS_PER_IMAGE
        wanted = read + (request.max_tokens or self._endpoint.max_output_tokens or _ROOM_TO_ANSWER)
        return self._at_most(max(_SMALLEST_CONTEXT, 1 << (wanted - 1).bit_length()))

    def _at_most(self, size: int) -> int:
        return min(size, self._endpoint.context_length or size)


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    """One message for all pages, as some models forget all but the last. Its pictures stand beside its text and not in
    it, so the text says which is which."""
    text, count = "", 0
    for part in conversation.parts:
        if isinstance(part, str):
            text += _PICTURE_MARK.sub(r"[ \1 ]", part)
        else:
            count += 1
            text += f"(Picture {count} shows this page.)\n"
    user: dict[str, Any] = {"role": "user", "content": text}
    if count:
        user["images"] = [base64.b64encode(image.data).decode() for image in _pictures(conversation)]
    system = _PICTURE_MARK.sub(r"[ \1 ]", conversation.system)
    return [*([{"role": "system", "content": system}] if system else []), user]


def _pictures(conversation: Conversation) -> list[PageImage]:
    return [part for part in conversation.parts if isinstance(part, PageImage)]


def _read(answer: Answer, reply: Reply) -> None:
    """Read to the line that says `done`. Raises `ModelError` when it does not come, or an error comes instead."""
    for line in answer.lines():
        if not line.strip():
            continue
        chunk = decoded(line)
        if not isinstance(chunk, dict):
            raise broken_answer()
        if chunk.get("error"):
            raise _error(chunk)
        reply.model = text_of(chunk.get("model")) or reply.model
        reply.say(text_of(fields_of(chunk.get("message")).get("content")))
        if chunk.get("done") is True:
            reply.finish_reason = _FINISH_REASONS.get(text_of(chunk.get("done_reason")), "stop")
            reply.usage = _usage(chunk)
            return
    raise truncated_answer()


def _usage(chunk: Mapping[str, Any]) -> Usage | None:
    """None where the prompt's count is missing, as in versions that did not count what they had kept of it."""
    read, written = count_of(chunk.get("prompt_eval_count")), count_of(chunk.get("eval_count"))
    return Usage(read, written) if read and written is not None else None


def _listed(name: str, about: Mapping[str, Any]) -> UpstreamModel:
    told = about.get("capabilities")
    return UpstreamModel(
        name,
        context_length=_context_length(fields_of(about.get("model_info"))),
        vision="vision" in told if isinstance(told, list) else None,
        native_pdf=False,
        structured_output=True,  # the server holds any model to a schema
    )


def _answers(about: Mapping[str, Any]) -> bool:
    told = about.get("capabilities")
    return not isinstance(told, list) or not told or "completion" in told


def _context_length(info: Mapping[str, Any]) -> int | None:
    """Under a name that begins with the architecture's, such as `llama.context_length`."""
    return count_of(info.get(f"{text_of(info.get('general.architecture'))}.context_length")) or None


def _error(chunk: Mapping[str, Any]) -> ModelError:
    status = count_of(chunk.get("status_code")) or count_of(chunk.get("StatusCode")) or 500
    return refusal(Complaint(status, _words(chunk)))


def _words(body: Any) -> str:
    """`{"error": "…"}`, or from a proxy before it `{"error": {"message": "…"}}`."""
    error = fields_of(body).get("error")
    return text_of(error) or text_of(fields_of(error).get("message"))
