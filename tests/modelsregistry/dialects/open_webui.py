"""Open WebUI: OpenAI's dialect, with models and complaints of its own."""

from __future__ import annotations

from dataclasses import replace

from tests.modelsregistry.dialects.dialect import (
    data,
)
from tests.modelsregistry.dialects.openai import OPENAI_COMPATIBLE

OPEN_WEBUI = replace(
    OPENAI_COMPATIBLE,
    kind="open_webui",
    inside=lambda status: data({"error": {"code": status, "detail": "no"}}),
    error=lambda status: {"detail": "no"},
    models={"data": [{"id": "one", "info": {"meta": {}}}, {"id": "two", "owned_by": "ollama"}]},
    native_pdf=False,
    path="/v1/api/chat/completions",
)
