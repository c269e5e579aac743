"""The service's settings with a format more, for documents that attack their reader, and a memory that a test fills.

Chosen by DJANGO_SETTINGS_MODULE; the service itself has no variable for any of this. What is tightened is what would
take a test too long: hostile documents get little memory, little computing time and little to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from apiv2project.settings import *  # noqa: F403
from processing.documents import formats, sandbox
from processing.documents.contract import Format, Inspection
from processing.documents.limits import MIB, Limits
from processing.documents.sandbox import Reading, Sandbox
from processing.runtime import cgroup

TIGHT = Limits(memory_bytes=400 * MIB, ocr_memory_bytes=400 * MIB, cpu_seconds=1, output_bytes=32 * MIB)
CONTROL_GROUP = "TEST_CONTROL_GROUP"  # a directory with the files of a control group, and `proc`, this process's place


class TightSandbox(Sandbox):
    """Gives a document of a hostile format the tight limits."""

    @contextmanager
    def reading(self, file: Any, format: Format, *arguments: Any, **named: Any) -> Iterator[Reading]:
        with super().reading(file, format, *arguments, **_tightened(named, format)) as reading:
            yield reading

    def inspect(self, file: Any, format: Format, **named: Any) -> Inspection:
        return super().inspect(file, format, **_tightened(named, format))


def _tightened(named: dict[str, Any], format: Format) -> dict[str, Any]:
    return {**named, "limits": TIGHT} if format.name == "hostile" else named


formats.__path__.append(str(Path(__file__).parent / "hostile_formats"))
sandbox._sandbox = TightSandbox(["tests.stack.hostile_formats.hostile"])

if CONTROL_GROUP in os.environ:
    _group = Path(os.environ[CONTROL_GROUP])
    cgroup.tightest_memory_limit = partial(cgroup.tightest_memory_limit, _group / "proc", _group)
