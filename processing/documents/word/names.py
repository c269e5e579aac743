"""WordprocessingML's names, and the few ways of looking at its elements that reading needs (ECMA-376, part 1)."""

from __future__ import annotations

from typing import Any

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"


def w(name: str) -> str:
    return f"{{{W}}}{name}"


def attribute(element: Any | None, name: str) -> str | None:
    return None if element is None else element.get(w(name))


def child(element: Any | None, name: str) -> Any | None:
    return None if element is None else element.find(name)


def children(element: Any, name: str) -> list[Any]:
    return list(element.iterchildren(name))
