"""What is known of the administrator guide, which is not in this repository: its headings and digests of its blocks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Heading:
    """A heading and its level, 1 for the title."""

    level: int
    text: str


@dataclass(frozen=True)
class Block:
    """A fenced block. `under` counts the headings up to it, itself being below the last of these."""

    number: int
    under: int
    language: str
    first_line: str
    sha256: str


@dataclass(frozen=True)
class Guide:
    """All of them, in order."""

    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]


@cache
def guide() -> Guide:
    """Read from `guide.json` beside this file."""
    known = json.loads(Path(__file__).with_name("guide.json").read_text())
    return Guide(tuple(Heading(**each) for each in known["headings"]), tuple(Block(**each) for each in known["blocks"]))


def as_printed(number: int, text: str) -> str:
    """The text, which has to be that of the guide's block to the letter. Raises `AssertionError`."""
    block = guide().blocks[number - 1]
    assert hashlib.sha256(text.encode()).hexdigest() == block.sha256, f"block {number} stands otherwise in the guide"
    return text


def without(text: str, *lines: str) -> str:
    """A block without lines that cannot run in a test; each has to be there, once."""
    for line in lines:
        assert text.splitlines().count(line) == 1, line
        text = text.replace(line + "\n", "")
    return text


# Blocks that more than one test needs.
MODEL_SETTINGS = as_printed(
    10,
    """\
{
  "model_configs": {
    "gpt-4-vision": {
      "temperature": 0.7,
      "max_tokens": 8000,
      "timeout": 300
    },
    "claude-3-haiku": {
      "temperature": 0.5,
      "max_tokens": 4096,
      "timeout": 180
    }
  }
}
""",
)
KEY_ACCESS = as_printed(
    11,
    """\
# Ensure API keys are enabled for v2 endpoints
ENABLE_API_KEY=true
API_KEY_ALLOWED_ENDPOINTS="/api/v2/process,/api/v2/status,/api/v2/models,/api/v2/health,/api/v2/config"
""",
)
