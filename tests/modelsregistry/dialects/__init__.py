"""How each dialect says the same things: one module a dialect, for suites that hold for all of them.

A new driver adds a `Dialect` to `DIALECTS`; `test_driver_contract` then runs over it.
"""

from tests.modelsregistry.dialects.anthropic import ANTHROPIC
from tests.modelsregistry.dialects.dialect import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    MODEL_NAME,
    OUTPUT_TOKENS,
    Dialect,
    Sent,
    data,
)
from tests.modelsregistry.dialects.gemini import GEMINI
from tests.modelsregistry.dialects.ollama import OLLAMA
from tests.modelsregistry.dialects.open_webui import OPEN_WEBUI
from tests.modelsregistry.dialects.openai import OPENAI_COMPATIBLE

DIALECTS = (OPENAI_COMPATIBLE, ANTHROPIC, GEMINI, OPEN_WEBUI, OLLAMA)

__all__ = [
    "ANTHROPIC",
    "CACHED_TOKENS",
    "DIALECTS",
    "GEMINI",
    "INPUT_TOKENS",
    "MODEL_NAME",
    "OLLAMA",
    "OPENAI_COMPATIBLE",
    "OPEN_WEBUI",
    "OUTPUT_TOKENS",
    "Dialect",
    "Sent",
    "data",
]
