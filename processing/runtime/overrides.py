"""Nested settings as plain JSON: laying some over others, taking some away, and saying where each one stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]

# `model_configs.<id>.<setting>` is the deepest that settings go; below that a value is taken as it is.
MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that stands otherwise in another document; None: it does not stand there, and its default holds."""

    path: Path
    old: Any
    new: Any

    @property
    def key(self) -> str:
        """The setting as people write it."""
        return dotted(self.path)


def laid_over(base: Mapping[str, Any], top: Mapping[str, Any], depth: int = MAX_DEPTH) -> Document:
    """`base` with every value that `top` has; objects are merged, all else (lists too) is replaced."""
    merged = dict(base)
    for name, value in top.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and depth > 1:
            merged[name] = laid_over(below, value, depth - 1)
        else:
            merged[name] = value
    return merged


def without_nulls(document: Mapping[str, Any], depth: int = MAX_DEPTH) -> Document:
    """`document` without what is null, and without objects that this leaves empty."""
    kept: Document = {}
    for name, value in document.items():
        left = without_nulls(value, depth - 1) if isinstance(value, Mapping) and depth > 1 else value
        if left is not None and left != {}:
            kept[name] = left
    return kept


def without(document: Mapping[str, Any], path: Path) -> Document:
    """`document` without the value at `path`."""
    name, rest = path[0], path[1:]
    value = document.get(name)
    if rest and isinstance(value, Mapping):
        return {**document, name: without(value, rest)}
    return {other: kept for other, kept in document.items() if other != name}


def leaves(document: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value with its path; a list is one value, and so is an empty object."""
    for name, value in document.items():
        path = (*above, name)
        if isinstance(value, Mapping) and value and len(path) < MAX_DEPTH:
            yield from leaves(value, path)
        else:
            yield path, value


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What became of each setting on the way from one document to the other, by path."""
    old, new = dict(leaves(before)), dict(leaves(after))
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return tuple(Difference(path, old.get(path), new.get(path)) for path in paths)


def as_change(found: Iterable[Difference]) -> Document:
    """The differences as a document to lay over the former one; null is a return to the default."""
    change: Document = {}
    for difference in found:
        place = change
        for name in difference.path[:-1]:
            place = place.setdefault(name, {})
        place[difference.path[-1]] = difference.new
    return change


def dotted(path: tuple[int | str, ...]) -> str:
    """A path as people write it: `memory_management.monitor_usage`."""
    return ".".join(str(part) for part in path)
