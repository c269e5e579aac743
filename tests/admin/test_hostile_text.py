"""Names, prompts and answers of strangers are shown in the admin, and do nothing there."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.admin import rendering
from processing.tasks.models import Status
from tests.admin.conftest import make_document, make_task

SCRIPT = "<script>alert('owned')</script>"
HOSTILE = [
    SCRIPT,
    "\"><img src=x onerror=alert('owned')>",
    "</pre></div><iframe src='javascript:alert(1)'>",
    "{{ 7|add:7 }}{% debug %}",
    "[click](javascript:alert(1))",
    "photo\u202egpj.exe",
    "line\r\nSet-Cookie: a=b",
    "x" * 255,
    "\u0645\u0631\u062d\u0628\u0627 \u2066\u2067\u2068",
]


class Elements(HTMLParser):
    """Collects the elements of a page and the attributes that could run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.frames = 0
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.frames += tag in ("iframe", "object", "embed", "img")
        self.handlers += [f"{name}={value}" for name, value in attrs if name.startswith("on")]
        self.handlers += [str(value) for name, value in attrs if name == "href" and "javascript:" in str(value)]

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_it_works(as_root: Client, owner: User, text: str) -> None:
    document = make_document(owner, text[:255])
    task = make_task(
        document,
        status=Status.COMPLETED,
        completed_at=timezone.now(),
        prompt=text,
        model=text[:200],
        step=text[:120],
        host=text[:200],
        request_id=text[:64],
        options={text: text},
        error=text,
        error_code=text[:64],
        result={
            "content": text,
            "citations": [{"page": text, "text": text, "score": text}],
            "processing_metadata": {text: text},
        },
    )

    for url in (
        "/admin/processing/task/",
        reverse("admin:processing_task_change", args=[task.pk]),
        reverse("admin:processing_task_history", args=[task.pk]),
        "/admin/processing/storeddocument/",
        reverse("admin:processing_storeddocument_change", args=[document.pk]),
    ):
        response = as_root.get(url)
        page = response.content.decode()
        elements = Elements(page)

        assert response.status_code == 200
        assert elements.handlers == []
        assert elements.frames == 0
        assert not any("owned" in script for script in elements.scripts)
        assert SCRIPT not in page
        assert "\u202e" not in page
        assert "1414" not in page
        assert "Set-Cookie" not in response.headers


def test_a_name_that_reads_backwards_is_spelled_out() -> None:
    assert rendering.visible("photo\u202egpj.exe") == "photo\\u202egpj.exe"


def test_letters_of_every_script_stay_as_they_are() -> None:
    text = "Übergröße 漢字 مرحبا שלום नमस्ते\n\ttab"

    assert rendering.visible(text) == text


def test_a_long_name_is_cut_and_whole_in_its_tooltip() -> None:
    shown = rendering.line("n" * 300)

    assert "n" * 300 in shown
    assert "n" * (rendering.LINE_LENGTH - 1) + "…</bdi>" in shown


def test_an_answer_as_long_as_a_book_is_cut_and_says_so() -> None:
    shown = rendering.block("w" * (rendering.BLOCK_LENGTH + 5))

    assert "5 more characters" in shown
    assert len(shown) < rendering.BLOCK_LENGTH + 1000


def test_json_is_indented_and_escaped() -> None:
    shown = rendering.as_json({"a": {"b": SCRIPT}})

    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert json.dumps({"a": 1}, indent=2).splitlines()[1].startswith("  ")
