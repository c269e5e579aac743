"""Libraries that write what they make to files, made to keep it in memory: a reading child may write no file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def names_replaced(module: ModuleType, **names: object) -> Iterator[None]:
    """Put others in the place of some of a module's names for a while."""
    before = {name: getattr(module, name) for name in names}
    try:
        for name, other in names.items():
            setattr(module, name, other)
        yield
    finally:
        for name, own in before.items():
            setattr(module, name, own)
