"""The process that holds one answer to its schema, and may be killed: `{answer, schema}` in, `{data, problems}` out.

    python -m processing.pipeline.schema_check

It knows neither Django nor the database, and what it may use of the machine is limited.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import sys
from typing import Any

_MEMORY = 1024**3  # bytes of address space
_CPU_SECONDS = 15
_MAX_PROBLEMS = 10
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL | re.IGNORECASE)


def main() -> None:
    """Read one message, write one."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    asked = json.load(sys.stdin.buffer)
    data, problems = verdict(asked["answer"], asked["schema"])
    json.dump({"data": data, "problems": problems}, sys.stdout)


def verdict(answer: str, schema: dict[str, Any]) -> tuple[Any, list[str]]:
    """The data in an answer, and what is wrong with it in words, at most ten. Of the readings that make JSON of the
    answer the first that fits is taken."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    first: tuple[Any, list[str]] | None = None
    for data in _readings(answer):
        problems = [
            _sentence(error) for error, _ in zip(validator.iter_errors(data), range(_MAX_PROBLEMS), strict=False)
        ]
        if not problems:
            return data, []
        first = first or (data, problems)
    return first or (None, ["it is not JSON"])


def _readings(answer: str) -> Any:
    """What the answer may mean: itself, what stands in its code block, from its first bracket to its last, mended."""
    fenced = [match[1] for match in _FENCE.finditer(answer)]
    opened = [position for position in (answer.find("{"), answer.find("[")) if position >= 0]
    closed = max(answer.rfind("}"), answer.rfind("]"))
    inner = [answer[min(opened) : closed + 1]] if opened and closed > min(opened) else []
    for text in [answer, *fenced, *inner]:
        try:
            yield json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            continue
    if opened:
        import json_repair

        mended = json_repair.loads(fenced[0] if fenced else answer[min(opened) :])
        with contextlib.suppress(ValueError):
            yield json.loads(json.dumps(mended), parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _sentence(error: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    return f"{where or 'the whole'}: {error.message[:200]}"


if __name__ == "__main__":
    main()
