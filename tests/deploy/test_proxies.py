"""The proxies that the guide configures, as they are shipped, in front of a running service: what goes through them,
what they refuse, and in whose words."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from processing.operations import credentials
from processing.operations.credentials import Credentials
from tests import samples
from tests.deploy import proxies
from tests.deploy.proxies import HOST, Proxy
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.stack.service import NO_LIMITS, RunningService, running_service
from tests.stack.watching import PATIENCE, Event, Speaker, events, text

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MB = 1024 * 1024
LARGEST = 64 * MB  # the service's max_file_size here
TEXT = b"The total is 108 euros."


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    """As docs/operations/proxies.md has it."""
    variables = {
        "ALLOWED_HOSTS": f"{HOST},127.0.0.1",
        "API_V2_HTTPS": "true",
        "API_V2_PROXY_HTTPS_HEADER": "X-Forwarded-Proto",
        "NUM_PROXIES": 1,
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "reader",
        "API_V2_ADMIN_CONFIG": json.dumps({"rate_limits": NO_LIMITS, "max_file_size": LARGEST}),
    }
    with running_service(tmp_path_factory.mktemp("behind"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def administrator(service: RunningService) -> Credentials:
    """Who was made at the first start."""
    made = credentials.read(credentials.kept_in(service.data_dir))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def key(administrator: Credentials) -> str:
    return administrator.key


@pytest.fixture(scope="module")
def bound_keys(service: RunningService) -> list[str]:
    """One that is good elsewhere alone, and one for 127.0.0.2."""
    networks = ("10.0.0.0/8", "127.0.0.2/32")
    return [service.manage("create_api_key", "--network", network).strip() for network in networks]


@pytest.fixture(scope="module", params=["nginx", "apache"])
def proxy(
    request: pytest.FixtureRequest, service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    start = {"nginx": proxies.nginx, "apache": proxies.apache}[request.param]
    with start(tmp_path_factory.mktemp(request.param), service.url.removeprefix("http://")) as running:
        yield running


@pytest.fixture(scope="module")
def api(proxy: Proxy, key: str) -> Iterator[httpx.Client]:
    with proxy.client(key) as client:
        yield client


def is_a_problem(answer: httpx.Response, status: int, error_type: str) -> dict[str, Any]:
    """Whether it is what the service itself would say; its fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "error_type", "code", "timestamp", "request_id"} <= set(body)
    assert (body["status"], body["error_type"]) == (status, error_type)
    assert body["timestamp"] > 1_700_000_000
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


def document(size: int) -> bytes:
    """A PDF of this size: its last page's stream is followed by a comment that no reader looks at."""
    whole = samples.pdf()
    end = whole.rindex(b"xref\n")
    padded = whole[:end] + b"%" + b"x" * (size - len(whole) - 2) + b"\n" + whole[end:]
    return padded.replace(b"startxref\n%d" % end, b"startxref\n%d" % (end + size - len(whole)))


def raw(proxy: Proxy, *lines: str, sent: bytes = b"") -> httpx.Response:
    """What comes back for exactly these lines, and for as much of a body as is `sent`."""
    request = "\r\n".join((*lines, f"Host: {HOST}", "Connection: close", "", "")).encode()
    with (
        socket.create_connection(("127.0.0.1", proxy.secure), PATIENCE) as plain,
        proxy.trust().wrap_socket(plain) as secure,
    ):
        secure.sendall(request + sent)
        answer = http.client.HTTPResponse(secure)
        answer.begin()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() != "transfer-encoding"]
        return httpx.Response(answer.status, headers=headers, content=answer.read())


def test_it_works(api: httpx.Client) -> None:
    """Everything that the service has is reached: API, admin site and its files, other dialects."""
    assert api.get("/api/v2/health").json()["status"] == "healthy"
    assert api.get("/api/version").status_code == 200
    assert api.get("/api/v1/models").status_code == 200
    assert "models" in api.get("/ollama/api/tags").json()
    assert api.get("/health").json() == {"status": "ok"}
    converted = api.post("/v1/convert/file", files={"files": ("a.txt", TEXT)})
    assert "108 euros" in converted.json()["document"]["md_content"]
    page = api.get("/admin/login/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    (styles, *_) = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert api.get(styles).headers["Content-Type"].startswith("text/css")


def test_a_person_signs_in(proxy: Proxy, administrator: Credentials) -> None:
    """Cookies are secure, and the form's origin is the one that the browser sees."""
    with proxy.client() as browser:
        page = browser.get("/admin/login/")
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[0]
        cookie = page.headers["Set-Cookie"]
        assert "Secure" in cookie
        person = {"username": administrator.username, "password": administrator.password}
        form = {**person, "csrfmiddlewaretoken": token, "next": "/admin/"}
        own = {"Origin": f"https://{HOST}", "Cookie": cookie.partition(";")[0]}
        assert browser.post("/admin/login/", data=form, headers=own).status_code == 302
        assert browser.post("/admin/login/", data=form, headers=own | {"Origin": "https://x.org"}).status_code == 403


def test_60_mb_arrive_whole(api: httpx.Client) -> None:
    sent = document(60 * MB)
    stored = api.post("/api/v2/upload", files={"file": ("large.pdf", sent)})
    assert stored.status_code == 201, stored.text
    assert stored.json()["size"] == 60 * MB
    assert stored.json()["checksum"] == f"sha256:{hashlib.sha256(sent).hexdigest()}"
    assert stored.json()["pages"] == 1
    assert api.delete(f"/api/v2/upload/{stored.json()['file_id']}").status_code == 204


def test_what_the_service_refuses_as_too_large_it_says_itself(api: httpx.Client) -> None:
    refused = api.post("/api/v2/upload", files={"file": ("large.pdf", document(70 * MB))})
    assert is_a_problem(refused, 413, "validation_error")["detail"] == "File too large. Maximum size: 64.0MB"


def test_what_the_proxy_refuses_as_too_large_reads_the_same_way(proxy: Proxy, key: str) -> None:
    def refused(path: str, size: int) -> httpx.Response:
        authorization, form = f"Authorization: Bearer {key}", "Content-Type: multipart/form-data; boundary=x"
        return raw(proxy, f"POST {path} HTTP/1.1", authorization, form, f"Content-Length: {size}", sent=b"--x\r\n")

    for path, size in (("/api/v2/upload", 200 * MB), ("/api/v2/batches", 2200 * MB), ("/api/v2/upload", 4097 * MB)):
        assert is_a_problem(refused(path, size), 413, "validation_error")["code"] == "body_too_large"


def test_events_arrive_one_by_one(api: httpx.Client, upstream: StandIn) -> None:
    """The model goes on only when its last word has come through the proxy."""
    speaker = Speaker("The total ", "is ", "108 euros.")
    upstream.script(speaker)
    task = submit(api)
    seen: list[Event] = []
    with api.stream("GET", f"/api/v2/tasks/{task}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        stream = events(response)
        for said in ("The total ", "The total is "):
            speaker.say()
            while text(seen) != said:
                seen.append(next(stream))
        speaker.say(2)
        seen.extend(stream)
    assert (seen[-1].name, text(seen)) == ("done", "The total is 108 euros.")


def test_a_submission_that_is_watched_streams_too(api: httpx.Client, upstream: StandIn) -> None:
    speaker = Speaker("One ", "two.")
    upstream.script(speaker)
    form = {"prompt": "What is the total?", "dedupe": "false", "stream": "true"}
    seen: list[Event] = []
    with api.stream("POST", "/api/v2/process", data=form, files={"file": ("a.txt", TEXT)}) as response:
        stream = events(response)
        assert next(stream).name == "accepted"
        speaker.say()
        while text(seen) != "One ":
            seen.append(next(stream))
        speaker.say(2)
        seen.extend(stream)
    assert text(seen) == "One two."


def test_a_doubled_slash_is_one(proxy: Proxy, key: str) -> None:
    with proxy.client(key) as client:
        asked = client.build_request("GET", "/api/v2/health")
        asked.url = asked.url.copy_with(raw_path=b"//api/v2/health")
        assert client.send(asked).json()["status"] == "healthy"


def test_http_leads_to_https_and_the_method_stays(proxy: Proxy) -> None:
    with httpx.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{proxy.plain}/api/v2/process?wait=1"
        answer = client.post(url, headers={"Host": HOST}, content=b"")
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"https://{HOST}/api/v2/process?wait=1"


HIDDEN = [
    *("/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics?a=b", "/%2fmetrics", "/%2F/metrics/"),
    *("/openwebui-errors/413.json", "//openwebui-errors/"),
]


@pytest.mark.parametrize("path", HIDDEN)
def test_metrics_are_not_for_the_world(proxy: Proxy, key: str, path: str) -> None:
    answer = raw(proxy, f"GET {path} HTTP/1.1", f"Authorization: Bearer {key}")
    is_a_problem(answer, 404, "system_error")
    assert not re.search("api_v2_|python_", answer.text)


@pytest.mark.parametrize("path", ["/api/v2/health", "/metrics", "/api/v2/tasks/x"])
def test_every_answer_has_the_security_headers_once(api: httpx.Client, path: str) -> None:
    headers = api.get(path).headers
    expected = {
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains; preload",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
    }
    assert {name: headers.get_list(name) for name in expected} == {name: [value] for name, value in expected.items()}
    assert len(headers.get_list("X-Request-ID")) == 1
    assert not re.search(r"\d", headers.get("Server", ""))


@pytest.mark.parametrize("path", ["/api/v2/health", "/health", "/ready"])
def test_the_machines_own_checks_need_no_proxy(service: RunningService, path: str) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        assert client.get(path).status_code == 200
        assert client.get("/api/v2/models").status_code == 301


FORGED = [
    {"X-Forwarded-For": "10.1.1.1"},
    {"X_Forwarded_For": "10.1.1.1"},
    {"X-Forwarded-For": "10.1.1.1, 10.1.1.1", "X-Real-IP": "10.1.1.1", "Forwarded": "for=10.1.1.1"},
]


@pytest.mark.parametrize("forged", FORGED)
def test_nobody_claims_to_come_from_elsewhere(proxy: Proxy, bound_keys: list[str], forged: dict[str, str]) -> None:
    """A key that is good in one network alone is refused from here, whatever its bearer says."""
    elsewhere, here = bound_keys
    with proxy.client(elsewhere) as client:
        assert client.get("/api/v2/tasks").status_code == 403
        assert client.get("/api/v2/tasks", headers=forged).status_code == 403
    with proxy.client(here, address="127.0.0.2") as client:
        assert client.get("/api/v2/tasks", headers=forged).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X_Forwarded_Proto"])
def test_nobody_claims_another_scheme(api: httpx.Client, name: str) -> None:
    """Told `http`, the service would redirect."""
    assert api.get("/api/v2/health", headers={name: "http"}).status_code == 200


def test_tls_is_of_today(proxy: Proxy) -> None:
    for option, works in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.secure}", option, "-servername", HOST]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert ("Cipher is (NONE)" not in done.stdout and done.returncode == 0) is works, done.stdout


def test_a_request_that_is_none_is_told_as_a_problem(proxy: Proxy) -> None:
    """Apache says this in its own words, whatever it is told to say."""
    answer = raw(proxy, "GET /api/v2/health HTTP/1.1", "Content-Length: x")
    assert answer.status_code == 400
    if proxy.name == "nginx":
        is_a_problem(answer, 400, "validation_error")


def test_a_service_that_is_away_is_told_as_a_problem(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> None:
    start = {"nginx": proxies.nginx, "apache": proxies.apache}[proxy.name]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening
        backend = f"127.0.0.1:{nobody.getsockname()[1]}"
        with start(tmp_path_factory.mktemp("away"), backend) as alone, alone.client() as client:
            answer = client.post("/api/v2/upload", files={"file": ("a.txt", TEXT)})
    assert is_a_problem(answer, 503, "system_error")["retry_after"] == 5
    assert answer.headers["Retry-After"] == "5"


def test_too_many_calls_are_refused_in_the_same_words_by_both(proxy: Proxy, api: httpx.Client, key: str) -> None:
    """The service counts callers; nginx also holds off a flood from one address. Apache has no such thing."""
    api.post("/admin/config", json={"api_v2": {"rate_limits": {"uploads_per_minute": 1}}})
    try:
        answers = [api.post("/api/v2/upload", files={"file": ("a.txt", TEXT)}) for _ in range(25)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert is_a_problem(refused, 429, "rate_limit_error")["code"] == "uploads_limited"
        assert int(refused.headers["Retry-After"]) > 0
    finally:
        api.post("/admin/config", json={"api_v2": {"rate_limits": None}})
    if proxy.name == "apache":
        return

    def asked(_number: int) -> httpx.Response:
        with proxy.client(key) as client:
            return client.get("/api/v2/upload")

    with ThreadPoolExecutor(8) as several:  # 2 a second, and 20 at once: slower than any machine asks
        answers = list(several.map(asked, range(120)))
    held_off = [answer for answer in answers if answer.status_code == 429]
    assert held_off
    assert is_a_problem(held_off[0], 429, "rate_limit_error")["retry_after"] == 5
    assert held_off[0].headers.get_list("Retry-After") == ["5"]


def submit(api: httpx.Client) -> str:
    form = {"prompt": "What is the total?", "dedupe": "false"}
    answer = api.post("/api/v2/process", data=form, files={"file": ("a.txt", TEXT)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])
