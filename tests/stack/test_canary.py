"""A secret stays where it belongs, at the loudest log level and on every path; and what is erased is in no file.

Four canaries go through a real service: in the caller's key, in the provider's secret, in the prompt and in the
document. The provider repeats all that it hears in its errors, as the careless ones do.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from processing.operations.credentials import kept_in, read
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import Exchange, StandIn
from tests.stack import cancels
from tests.stack.processes import until
from tests.stack.service import RunningService, running_service
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

UPSTREAM_SECRET = "upstream-canary-1183"
PROMPT = "What is the total? prompt-canary-2294"
TEXT = b"The total is 12 euros. document-canary-3305"
ANSWER = "12 euros. answer-canary-4416"
OF_THE_TASK = ("prompt-canary-2294", "document-canary-3305", "answer-canary-4416")
PUBLIC = ("/api/v2/health", "/api/v2/config", "/api/v2/models", "/api/v2/openapi.json", "/api/version", "/metrics")
ADMINISTRATORS = ("/admin/config", "/api/v1/configs", "/api/v1/models", "/admin/models", "/ollama/api/tags")


def repeated(exchange: Exchange) -> None:
    """An error that holds the request: its secret, the prompt and the document."""
    heard = exchange.server.stand_in.received[-1]
    body = {"error": {"message": f"{heard.headers} {heard.raw!r}", "code": UPSTREAM_SECRET}}
    stand_in.respond(400, body)(exchange)


def refused(exchange: Exchange) -> None:
    heard = exchange.server.stand_in.received[-1]
    stand_in.respond(401, {"error": {"message": f"Incorrect API key: {heard.headers['authorization']}"}})(exchange)


@dataclass
class Play:
    """The service, its callers, its provider, and all the problems that a client was told."""

    service: RunningService
    caller: Caller
    administrator: Caller
    upstream: StandIn
    key: str
    told: list[str] = field(default_factory=list)

    def ask(self, **fields: Any) -> str:
        return self.caller.submit("a.txt", TEXT, **{"prompt": PROMPT, "model": "reader", **fields})

    def refuse(self, method: str, path: str, **request: Any) -> None:
        response = self.caller.http.request(method, path, **request)
        assert response.status_code >= 400, response.text
        self.told.append(response.text)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[Play]:
    variables = {
        "DEBUG": "true",
        "SRC_LOG_LEVELS": '{"API_V2": "DEBUG", "django": "DEBUG", "httpx": "DEBUG", "httpcore": "DEBUG", "": "DEBUG"}',
        "OPENAI_API_BASE_URL": upstream.url,
        "OPENAI_API_KEY": UPSTREAM_SECRET,
        "OPENAI_API_MODELS": "reader",
        "API_V2_MAX_CONCURRENT": 1,
        "ENABLE_MODEL_CACHE": "true",
        "ENABLE_PROCESSING_CACHE": "true",
    }
    with running_service(tmp_path_factory.mktemp("canary"), **variables) as service:
        key = service.key
        caller, administrator = Caller(service, key=key), Caller(service, admin=True)
        yield Play(service, caller, administrator, upstream, key)


@pytest.fixture(scope="module")
def played(play: Play) -> Play:
    """All the paths: answered, refused at the door, failed upstream in two ways, broken, cancelled."""
    play.upstream.script(stand_in.answer(ANSWER))
    assert play.caller.ended(play.ask())["result"]["content"] == ANSWER
    for reply in (refused, repeated):
        play.upstream.script(reply)
        ended = play.caller.ended(play.ask(prompt=PROMPT + f" {reply.__name__}"))
        assert ended["status"] == "failed", ended
        play.told.append(str(ended))
    broken = b"%PDF-1.7\n" + TEXT
    play.refuse("POST", "/api/v2/upload", files={"file": ("a.pdf", broken)})
    form = {"prompt": PROMPT}
    file = {"file": ("a.txt", TEXT)}
    play.refuse("POST", "/api/v2/process", data={"prompt": PROMPT * 200}, files=file)
    play.refuse("POST", "/api/v2/process", data={**form, "temperature": PROMPT}, files=file)
    play.refuse("POST", "/api/v2/process", data=form)
    play.refuse("POST", "/api/v2/process", data=form, files=file, headers={"Authorization": f"Bearer {play.key}x"})
    play.refuse("POST", "/api/v2/process", content=TEXT, headers={"Content-Type": "multipart/form-data; boundary=b"})
    play.refuse("POST", "/admin/config", json={"api_v2": {"timeout": 5}})
    play.refuse("GET", "/nothing")
    return play


def test_it_works(played: Play) -> None:
    """Not in the log, whatever its level, not in what clients are told of errors, not in what anybody may read."""
    log = played.service.log()
    assert " DEBUG " in log
    assert "task completed" in log
    open_to_read = [played.administrator.http.get(path).text for path in (*PUBLIC, *ADMINISTRATORS)]
    for canary in (UPSTREAM_SECRET, played.key, *OF_THE_TASK):
        assert canary not in log
        assert canary not in "".join(open_to_read)
        assert canary not in "".join(played.told)


def test_secrets_are_on_no_page_of_the_admin_and_prompts_on_their_tasks_alone(played: Play) -> None:
    pages = dict(every_page(played.service))
    assert len(pages) > 20
    tasks = re.compile(r"^/admin/processing/task/\d+/change/$")
    assert any(PROMPT in page for path, page in pages.items() if tasks.match(path))
    for path, page in pages.items():
        assert UPSTREAM_SECRET not in page, path
        assert played.key not in page, path
        assert tasks.match(path) or not [canary for canary in OF_THE_TASK if canary in page], path


def every_page(service: RunningService) -> Iterator[tuple[str, str]]:
    """Every page that an administrator gets to by following links, but those of sorting and searching."""
    made = read(kept_in(service.data_dir))
    assert made is not None
    with httpx.Client(base_url=service.url, follow_redirects=True, trust_env=False, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {"username": made.username, "password": made.password, "next": "/admin/"}
        browser.post("/admin/login/", data={**form, "csrfmiddlewaretoken": browser.cookies["csrftoken"]})
        waiting, seen = ["/admin/"], {"/admin/"}
        while waiting:
            path = waiting.pop()
            page = browser.get(path).text
            yield path, page
            for link in re.findall(r'href="(/admin/[^"?#]*)', page):
                if link.endswith("/download/"):  # The document itself is where its words belong.
                    continue
                if link not in seen and not re.search("/(logout|login|password_change|config|models)/?$", link):
                    seen.add(link)
                    waiting.append(link)


def test_secrets_lie_in_the_clear_in_no_file(played: Play) -> None:
    files = contents(played.service.data_dir)
    for secret in (UPSTREAM_SECRET, played.key):
        assert [path for path, content in files.items() if secret.encode() in content] == []


def test_what_is_erased_while_it_is_worked_on_is_in_no_file(played: Play) -> None:
    """The worker stops, and of this task and of all before it nothing is left: not in the store, not in the database's
    file, not in its log of changes, not in ours."""
    line = cancels.model_that_never_ends(played.upstream, headers=True, drips=True)
    running = played.ask(prompt=PROMPT + " once more")
    assert line.asked.wait(PATIENCE)
    listed = played.caller.http.get("/api/v2/tasks?page_size=100").json()["results"]
    assert running in {each["task_id"] for each in listed}
    assert any(b"prompt-canary-2294" in content for content in contents(played.service.data_dir).values())

    for each in listed:
        response = played.caller.http.delete(f"/api/v2/tasks/{each['task_id']}?erase=true")
        assert (response.status_code, response.content) == (204, b"")

    assert line.hung_up.wait(PATIENCE)
    assert played.caller.http.get(f"/api/v2/status/{running}").status_code == 404
    assert played.caller.http.get("/api/v2/upload").json()["results"] == []
    played.upstream.script(stand_in.answer("13 euros."))
    other = played.caller.submit("b.txt", b"The total is 13 euros.", prompt="What is the total?", model="reader")
    assert played.caller.ended(other)["status"] == "completed"  # The worker is free, and has written since.
    until(lambda: not found(played.service.data_dir))


def found(data_dir: Path) -> list[tuple[str, str]]:
    wanted = [canary.encode() for canary in OF_THE_TASK]
    files = contents(data_dir).items()
    return [(path, canary.decode()) for path, content in files for canary in wanted if canary in content]


def contents(data_dir: Path) -> dict[str, bytes]:
    read_now = {}
    for path in data_dir.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            read_now[str(path.relative_to(data_dir))] = path.read_bytes()
    return read_now
