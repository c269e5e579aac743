"""Open WebUI as a server of models: OpenAI's dialect under addresses of its own, and errors in FastAPI's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from modelsregistry.chat_completions import completion, read, words
from modelsregistry.contract import Endpoint, GenerationRequest, GenerationResult, UpstreamModel, ignore_text
from modelsregistry.endpoints import request_headers, require_address, require_options, require_secret_for_header
from modelsregistry.http import Call, answering
from modelsregistry.listings import listed
from modelsregistry.messages import compose
from modelsregistry.reply import Reply


class OpenWebUI:
    """`/api/chat/completions`, always streamed; its API keys go as Bearer tokens. A PDF is sent by its pages, as which
    of the servers behind it would take one whole is not to be known."""

    kind: ClassVar[str] = "open_webui"
    label: ClassVar[str] = "Open WebUI"

    def __init__(self, endpoint: Endpoint) -> None:
        require_address(endpoint)
        require_secret_for_header(endpoint)
        require_options(endpoint, {})
        self._endpoint = endpoint
        # Documentation gives the address with the API's path and without.
        self._base = re.sub(r"/api(/v1)?$", "", endpoint.base_url.rstrip("/"))

    def generate(self, request: GenerationRequest, on_text: Callable[[str], None] = ignore_text) -> GenerationResult:
        """One answer. Raises `ModelError`."""
        conversation = compose(request, vision=self._endpoint.vision)
        body = completion(self._endpoint.model, request, conversation, "max_tokens")
        reply = Reply(on_text)
        with answering(self._call("POST", "/api/chat/completions", request.deadline, body)) as answer:
            read(answer, reply)
        return reply.result(self._endpoint.model, conversation)

    def upstream_models(self, deadline: float) -> tuple[UpstreamModel, ...]:
        """What `GET /api/models` lists. Raises `ModelError`."""
        with answering(self._call("GET", "/api/models", deadline)) as answer:
            return listed(answer.json())

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
            words=words,
            body=body,
        )
