"""OpenAI's chat completions, as OpenAI, vLLM, llama.cpp, LiteLLM, LM Studio, OpenRouter and many others speak them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from modelsregistry.chat_completions import completion, read, words
from modelsregistry.contract import Endpoint, GenerationRequest, GenerationResult, UpstreamModel, ignore_text
from modelsregistry.endpoints import request_headers, require_address, require_options, require_secret_for_header
from modelsregistry.errors import ModelError
from modelsregistry.http import Call, answering
from modelsregistry.listings import completed, listed, tells_more
from modelsregistry.messages import compose
from modelsregistry.reply import Reply

_CAP_FIELDS = ("max_tokens", "max_completion_tokens")


class OpenAICompatible:
    """Chat completions, always streamed, so that a stall is noticed and a cancel closes the connection.

    The option `token_cap_field` is `max_tokens` or, as OpenAI's own service wants it, `max_completion_tokens`.
    """

    kind: ClassVar[str] = "openai_compatible"
    label: ClassVar[str] = "OpenAI-compatible"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {"token_cap_field": _CAP_FIELDS})
        self._endpoint = endpoint
        self._base = endpoint.base_url.rstrip("/")

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision, native_pdf=self._endpoint.native_pdf)
        cap_field = self._endpoint.options.get("token_cap_field", _CAP_FIELDS[0])
        body = completion(self._endpoint.model, request, conversation, cap_field)
        reply = Reply(on_text)
        with answering(self._call("POST", "/chat/completions", request.deadline, body)) as answer:
            read(answer, reply)
        return reply.result(self._endpoint.model, conversation)

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `GET /models` lists, and where that tells no more than names, what LiteLLM adds in `/model/info`.

        Raises `ModelError`.
        """
        with answering(self._call("GET", "/models", deadline)) as answer:
            listing = answer.json()
        found = listed(listing)
        if any(tells_more(model) for model in found):
            return found
        return completed(found, self._model_info(deadline))

    def _model_info(self, deadline: float) -> Any:
        """LiteLLM's list; None from all other servers."""
        try:
            with answering(self._call("GET", "/model/info", deadline)) as answer:
                return answer.json()
        except ModelError:
            return None

    def _call(self, method: str, path: str, deadline: float, body: Mapping[str, Any] | None = None) -> Call:
        secret = self._endpoint.secret
        return Call(
            method=method,
            url=self._base + path,
            headers=request_headers(self._endpoint, {"Authorization": f"Bearer {secret}"} if secret else {}),
            deadline=deadline,
            stall_timeout=self._endpoint.stall_timeout,
            proxy=self._endpoint.proxy,
            allow_private=self._endpoint.allow_private,
            words=words,
            body=body,
        )
