"""JSON is read in one way or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from processing.errors import InvalidInput
from processing.runtime.strict_json import MAX_DEPTH, MalformedJsonError, loads


def test_it_works() -> None:
    assert loads(b'{"a": [1, {"b": null}], "c": "\xc3\xa9"}') == {"a": [1, {"b": None}], "c": "é"}


@pytest.mark.parametrize("value", [b"5", b'"text"', b"null", b"[]", b"{}"])
def test_any_value_is_a_document(value: bytes) -> None:
    loads(value)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b"[-Infinity]", b"\xef\xbb\xbf{}", b"[" * 100_000, b"9" * 5000],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        loads(text)


def test_depth_is_bounded() -> None:
    loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        with pytest.raises(MalformedJsonError):
            loads(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (b'{"a": 1, "a": 1}', ["a"]),
        (b'{"api_v2": {"timeout": 1, "enabled": true, "timeout": 2}}', ["api_v2.timeout"]),
        (b'[{"a": {"b": 1, "b": 2, "b": 3}}, {"c": 1, "c": 2}]', ["0.a.b", "1.c"]),
        (b'{"a": {}, "\\u0061": {}}', ["a"]),
    ],
)
def test_names_that_come_twice_are_told(text: bytes, places: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        loads(text)
    assert caught.value.code == "duplicate_key"
    assert list(caught.value.errors or {}) == places


def test_a_long_name_is_told_shortly() -> None:
    name: Any = "x" * 100_000
    with pytest.raises(InvalidInput) as caught:
        loads(f'{{"{name}": 1, "{name}": 2}}'.encode())
    assert [len(place) for place in caught.value.errors or {}] == [100]
