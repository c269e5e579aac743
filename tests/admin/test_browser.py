"""What strangers wrote is inert in a real browser: no script of theirs runs, nothing of theirs is fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.access import keys
from processing.access.models import UsageOfDay
from processing.queue.models import WorkerHost
from processing.tasks.models import Status
from tests.admin.conftest import make_document, make_task

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("chromium is not installed", allow_module_level=True)

sync_api = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
pytestmark = pytest.mark.django_db(transaction=True)

# Each would say so, by the name of where it stood.
HOSTILE = (
    '<img src=x onerror="owned()"><script>owned()</script>"><svg onload=owned()>'
    '\'><iframe srcdoc="<script>parent.owned()</script>"></iframe>'
    "[a](javascript:owned())![b](http://evil.example/b.png)"
    '<a href="javascript:owned()" autofocus onfocus=owned()>c</a>'
    "</textarea></style></script><script src=//evil.example/c.js></script>"
    "{{constructor.constructor('owned()')()}}<style>@import url(http://evil.example/d.css)</style>"
    '<div x-data x-init="owned()">'
)


@pytest.fixture
def addresses(root: User, owner: User) -> list[str]:
    """Pages that show a stranger's words in every place where there can be some."""
    assert len(HOSTILE) > 255
    name = HOSTILE[:200]
    document = make_document(owner, HOSTILE[:255])
    key, _ = keys.mint(owner, HOSTILE[:100])
    WorkerHost.objects.create(
        host=name, pid=7, workers=2, max_concurrent=2, started_at=timezone.now(), heartbeat_at=timezone.now()
    )
    UsageOfDay.objects.create(day=timezone.now().date(), owner=owner, api_key=key, model=name, tasks=1)
    columns = {
        "prompt": HOSTILE,
        "model": name,
        "model_used": name,
        "step": HOSTILE[:120],
        "host": name,
        "request_id": HOSTILE[:64],
        "options": {HOSTILE: HOSTILE},
        "error": HOSTILE,
        "error_code": HOSTILE[:64],
        "api_key": key,
        "completed_at": timezone.now(),
        "result": {
            "content": HOSTILE,
            "citations": [{"page": HOSTILE, "text": HOSTILE, "score": HOSTILE}],
            "processing_metadata": {"timings": {HOSTILE: 1.5}, HOSTILE: HOSTILE},
        },
    }
    tasks = [make_task(document, status=status, **columns) for status in (Status.FAILED, Status.COMPLETED)]
    make_task(document, status=Status.PROCESSING, **columns)
    return [
        "/admin/",
        "/admin/processing/task/",
        "/admin/processing/task/live/",
        "/admin/processing/storeddocument/",
        "/admin/processing/apikey/",
        *(reverse("admin:processing_task_change", args=[task.pk]) for task in tasks),
        reverse("admin:processing_storeddocument_change", args=[document.pk]),
        reverse("admin:processing_apikey_change", args=[key.pk]),
    ]


@pytest.fixture
def browser(live_server: Any, as_root: Client, addresses: list[str]) -> Iterator[Any]:
    """Begins after everything in this thread that asks the database, and ends before: Playwright keeps a loop here, in
    which Django refuses to."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def test_it_works(browser: Any, live_server: Any, as_root: Client, addresses: list[str]) -> None:
    ran: list[str] = []
    asked: list[str] = []
    context = browser.new_context(base_url=live_server.url)
    session = as_root.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    context.expose_function("owned", lambda: ran.append("owned"))
    page = context.new_page()
    page.on("dialog", lambda dialog: (ran.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))

    for address in addresses:
        answer = page.goto(address, wait_until="load")
        assert answer is not None and answer.status == 200
        assert "owned()" in page.content()  # It is there, as text.
        for link in page.locator("a[href^='javascript:' i]").all():
            ran.append(str(link.get_attribute("href")))

    # The part that scripts renew is put into the page by them.
    page.goto("/admin/", wait_until="load")
    page.evaluate("""async () => {
        const part = document.getElementById("live");
        part.innerHTML = await (await fetch(part.dataset.url)).text();
    }""")
    assert page.locator("#running-title").is_visible()
    page.evaluate("owned()")  # The trap works,

    assert ran == ["owned"]  # and nothing else went into it.
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {
        urlsplit(live_server.url).hostname
    }
    context.close()
