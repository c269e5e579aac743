"""Slow clients get their places and no more; what Django is given can be read to its end."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator

from apiv2project import arrival, connections
from apiv2project.connections import ConnectionGate
from processing.api.waiting import PLACES as PLACES_TO_WAIT

THREADS = 16
DOCUMENTS, SMALL, WAITING = 6, 2, 6  # of them
SHARE = 3  # of those who wait, for one owner
FORM = "multipart/form-data; boundary=b"


class Server:
    """What a WSGI server does with the gate and an application that reads what it is given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str | None, bytes]] = []
        self.gate = ConnectionGate(self.application, threads=THREADS)

    def application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        self.seen.append((length, environ["wsgi.input"].read() if length not in (None, "", "0") else b""))
        start_response("200 OK", [])
        return [b"done"]

    def request(self, body: bytes = b"", **environ: Any) -> tuple[int, dict[str, str], bytes, Any]:
        """Status, headers, body, and the response to be closed."""
        started: list[Any] = []
        response = self.gate(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/api/v2/process",
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(body),
                "CONTENT_TYPE": FORM,
                **environ,
            },
            lambda status, headers: started.append((status, dict(headers))),
        )
        content = b"".join(response)
        return int(started[0][0][:3]), started[0][1], content, response


class Stalled(io.BytesIO):
    """A body of which nothing comes until the connection is dropped."""

    def __init__(self, dropped: threading.Event, asked: threading.Event | None = None) -> None:
        super().__init__()
        self.dropped = dropped
        self.asked = asked or threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        self.asked.set()
        self.dropped.wait()
        return b""


@pytest.fixture
def server() -> Server:
    return Server()


def test_it_works(server: Server) -> None:
    status, _, content, _ = server.request(b"--b--", CONTENT_LENGTH="5")

    assert (status, content) == (200, b"done")
    assert server.seen == [("5", b"--b--")]


def test_a_request_without_a_body_takes_no_place(server: Server) -> None:
    for _ in range(THREADS + 1):
        assert server.request(REQUEST_METHOD="GET", CONTENT_TYPE="")[0] == 200


def by(number: int) -> dict[str, str]:
    """A caller of their own."""
    return {"HTTP_AUTHORIZATION": f"Bearer sk-{number}"}


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ({"CONTENT_LENGTH": "5"}, DOCUMENTS),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, DOCUMENTS),
        ({"QUERY_STRING": "wait=20"}, WAITING),
        ({"HTTP_PREFER": "wait=20"}, WAITING),
        ({"HTTP_ACCEPT": "text/event-stream"}, WAITING),
        ({"PATH_INFO": "/api/v2/tasks/4711/events", "CONTENT_LENGTH": "0"}, WAITING),
    ],
)
def test_slow_requests_are_capped_and_the_next_one_is_told_to_come_back(
    server: Server, kind: dict[str, str], places: int
) -> None:
    held = [server.request(b"--b--", **kind, **by(each))[3] for each in range(places)]

    status, headers, content, _ = server.request(b"--b--", HTTP_X_REQUEST_ID="mine", **kind)
    problem = json.loads(content)

    assert status == 503
    assert headers["Retry-After"] == str(problem["retry_after"])
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-ID"] == problem["request_id"] == "mine"
    assert (problem["error_type"], problem["code"]) == ("system_error", "busy")
    assert server.request(REQUEST_METHOD="GET")[0] == 200
    held[0].close()
    held[0].close()
    assert server.request(b"--b--", **kind)[0] == 200
    assert server.request(b"--b--", **kind)[0] == 503


def test_waiting_and_sending_do_not_take_each_others_places(server: Server) -> None:
    for _ in range(DOCUMENTS):
        assert server.request(b"--b--", CONTENT_LENGTH="5")[0] == 200
    for each in range(WAITING):
        assert server.request(QUERY_STRING="wait=20", **by(each))[0] == 200


class Sending:
    """Clients that send a small body slowly, each from a thread of the server's."""

    def __init__(self, server: Server) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes, Any]] = []
        self._server = server
        self._dropped = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, count: int, **environ: str) -> None:
        for _ in range(count):
            asked = threading.Event()
            body = Stalled(self._dropped, asked)
            request = {"CONTENT_LENGTH": "5", "PATH_INFO": "/api/v1/auths/signin", "wsgi.input": body, **environ}
            thread = threading.Thread(target=lambda r=request: self.answers.append(self._server.request(**r)))
            thread.start()
            self._threads.append(thread)
            asked.wait()

    def end(self) -> None:
        self._dropped.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", FORM])
def test_small_bodies_that_come_slowly_leave_documents_and_answers_their_places(server: Server, kind: str) -> None:
    sending = Sending(server)
    sending.begin(SMALL, CONTENT_TYPE=kind)
    try:
        refused = server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")
        assert (refused[0], json.loads(refused[2])["code"]) == (503, "busy")
        for _ in range(DOCUMENTS):
            assert server.request(b"--b--", CONTENT_LENGTH="5")[0] == 200
        for each in range(WAITING):
            assert server.request(QUERY_STRING="wait=20", **by(each))[0] == 200
    finally:
        sending.end()
    assert {status for status, *_ in sending.answers} == {400}
    for *_, response in sending.answers:
        response.close()
    assert server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")[0] == 200


def test_who_is_refused_and_goes_on_sending_keeps_no_document_from_coming(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server listens to them for a while yet, but to few of them at once."""
    lingering: list[threading.Event] = []

    def linger(_body: arrival.Arrival) -> None:
        lingering.append(threading.Event())
        lingering[-1].wait()

    def refusing(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("401 Unauthorized", [])
        return [b"who?"]

    monkeypatch.setattr(arrival.Arrival, "linger", linger)
    dropped = threading.Event()
    answering, server.gate._application = server.gate._application, refusing
    refused = [
        server.request(CONTENT_LENGTH="1000000", **{"wsgi.input": Stalled(dropped)})[3] for _ in range(DOCUMENTS)
    ]
    closing = [threading.Thread(target=response.close) for response in refused]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join(0.3)
    server.gate._application = answering
    try:
        assert len(lingering) == SMALL
        assert sum(thread.is_alive() for thread in closing) == SMALL
        assert server.request(b"--b--", CONTENT_LENGTH="5")[0] == 200
    finally:
        dropped.set()
        for each in lingering:
            each.set()
        for thread in closing:
            thread.join()


def test_documents_that_come_slowly_leave_small_bodies_their_places(server: Server) -> None:
    for _ in range(DOCUMENTS):
        assert server.request(b"--b--", CONTENT_LENGTH="5")[0] == 200
    assert server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")[0] == 200


def test_a_small_body_that_has_come_holds_no_place(server: Server) -> None:
    """However long the answer takes."""
    for _ in range(THREADS):
        assert server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")[0] == 200


def test_small_bodies_that_come_at_once_are_all_taken(server: Server) -> None:
    """They wait for one another for the moment that each takes."""
    sending = Sending(server)
    sending.begin(SMALL)

    def give_up() -> None:
        sending.end()
        for *_, response in sending.answers:
            response.close()

    threading.Timer(0.05, give_up).start()
    assert server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")[0] == 200


def test_a_small_body_is_waited_for_ten_seconds_in_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(connections, "Arrival", lambda *given: waited.append(given[3]) or arrival.Arrival(*given))
    server.request(b"{}", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")
    server.request(b"--b--", CONTENT_LENGTH="5")
    assert waited == [10.0, 600.0]


@pytest.mark.parametrize("kind", [{"QUERY_STRING": "wait=20"}, {"PATH_INFO": "/api/v2/tasks/4711/events"}])
@pytest.mark.parametrize(
    "shown",
    [
        {"HTTP_AUTHORIZATION": "Bearer sk-greedy"},
        {"HTTP_X_API_KEY": "sk-greedy"},
        {"REMOTE_ADDR": "192.0.2.7"},
    ],
)
def test_nobody_holds_more_than_half_of_the_places_to_wait_in(
    server: Server, kind: dict[str, str], shown: dict[str, str]
) -> None:
    held = [server.request(**kind, **shown)[3] for _ in range(SHARE)]
    status, headers, content, _ = server.request(**kind, **shown)
    assert (status, json.loads(content)["code"]) == (503, "busy")
    assert headers["Retry-After"]
    assert server.request(**kind, **by(1), REMOTE_ADDR="192.0.2.8")[0] == 200
    held[0].close()
    assert server.request(**kind, **shown)[0] == 200


@pytest.mark.parametrize("shown", [{"HTTP_AUTHORIZATION": "Bearer sk-mine"}, {"HTTP_X_API_KEY": "sk-mine"}])
def test_a_key_that_is_invented_or_written_otherwise_gains_no_more(server: Server, shown: dict[str, str]) -> None:
    other = {"HTTP_X_API_KEY", "HTTP_AUTHORIZATION"}.difference(shown).pop()
    for number in range(SHARE):
        odd = {name: value.replace("Bearer ", "bearer  ") + " " for name, value in shown.items()}
        assert server.request(QUERY_STRING="wait=20", **{other: f"Bearer sk-{number}"}, **odd)[0] == 200
    assert server.request(QUERY_STRING="wait=20", **{other: "Bearer sk-other"}, **shown)[0] == 503
    assert server.request(QUERY_STRING="wait=20", HTTP_AUTHORIZATION="Bearer sk-stranger")[0] == 200


def test_who_has_sent_all_may_go_on_to_wait(server: Server) -> None:
    """Its place among those who send is free then, and one that waits keeps others from waiting."""
    moved: list[bool] = []

    def waiting(environ: Any, start_response: Any) -> Iterable[bytes]:
        moved.extend([environ[PLACES_TO_WAIT](), environ[PLACES_TO_WAIT]()])
        start_response("200 OK", [])
        return [b"done"]

    server.gate = ConnectionGate(waiting, threads=THREADS)
    held = [server.request(b"--b--", CONTENT_LENGTH="5", **by(1))[3] for _ in range(SHARE)]
    refused = [server.request(b"--b--", CONTENT_LENGTH="5", **by(1))[3]]
    held += [server.request(b"--b--", CONTENT_LENGTH="5", **by(2))[3] for _ in range(WAITING - SHARE)]
    assert moved == [True, True] * SHARE + [False, False] + [True, True] * (WAITING - SHARE)
    refused += [server.request(b"--b--", CONTENT_LENGTH="5", **by(3))[3] for _ in range(DOCUMENTS - 1)]
    assert moved[2 * (WAITING + 1) :] == [False, False] * (DOCUMENTS - 1)
    assert server.request(b"--b--", CONTENT_LENGTH="5")[0] == 503
    assert server.request(QUERY_STRING="wait=20")[0] == 503
    for response in (*held, *refused):
        response.close()
    assert server.request(QUERY_STRING="wait=20")[0] == 200


def test_who_has_sent_something_small_may_go_on_to_wait(server: Server) -> None:
    moved: list[bool] = []

    def waiting(environ: Any, start_response: Any) -> Iterable[bytes]:
        moved.append(environ[PLACES_TO_WAIT]())
        start_response("200 OK", [])
        return [b"done"]

    server.gate = ConnectionGate(waiting, threads=THREADS)
    small = {"CONTENT_LENGTH": "2", "CONTENT_TYPE": "application/json"}
    held = [server.request(b"{}", **small, **by(each))[3] for each in range(WAITING + 1)]
    assert moved == [True] * WAITING + [False]
    held[0].close()
    assert server.request(QUERY_STRING="wait=20")[0] == 200


def test_a_place_is_given_back_when_the_application_fails(server: Server) -> None:
    def failing(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise RuntimeError

    server.gate = ConnectionGate(failing, threads=THREADS)
    for _ in range(THREADS):
        with pytest.raises(RuntimeError):
            server.request(b"--b--", CONTENT_LENGTH="5")


@pytest.mark.parametrize("length", ["-1", "abc", "5x", "+5", "1.5", "\u0665"])
def test_a_length_that_is_no_number_is_refused(server: Server, length: str) -> None:
    status, _, content, _ = server.request(CONTENT_LENGTH=length)

    assert status == 400
    assert json.loads(content)["error_type"] == "validation_error"
    assert server.seen == []


def test_a_chunked_form_is_readable(server: Server) -> None:
    server.request(b"--b\r\n\r\n--b--", HTTP_TRANSFER_ENCODING="chunked")

    assert server.seen == [(str(connections.UNKNOWN_LENGTH), b"--b\r\n\r\n--b--")]


def test_a_small_chunked_body_gets_its_length(server: Server) -> None:
    server.request(b"{}", HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE="application/json")

    assert server.seen == [("2", b"{}")]


def test_an_empty_chunked_body_is_no_body(server: Server) -> None:
    server.request(b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE="application/json")

    assert server.seen == [("0", b"")]


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
@pytest.mark.parametrize("declared", [{"CONTENT_LENGTH": "11"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_only_forms_may_be_large(server: Server, declared: dict[str, str]) -> None:
    status, _, content, _ = server.request(b"x" * 11, CONTENT_TYPE="application/json", **declared)

    assert (status, json.loads(content)["code"]) == (413, "body_too_large")
    assert server.seen == []


def test_a_small_body_that_breaks_off_is_refused(server: Server) -> None:
    status, _, _, _ = server.request(b"{", CONTENT_LENGTH="2", CONTENT_TYPE="application/json")

    assert status == 400
    assert server.seen == []


def test_a_small_body_that_stalls_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "SMALL_WITHIN", 0.01)
    dropped = threading.Event()
    stalled = Stalled(dropped)
    declared = {"CONTENT_LENGTH": "2", "CONTENT_TYPE": "application/json", "wsgi.input": stalled}
    status, _, content, _ = server.request(**declared)
    dropped.set()

    assert (status, json.loads(content)["code"]) == (408, "body_timeout")


@pytest.mark.parametrize("boundary", ["", "; boundary=" + "x" * 20_000, "; boundary", ";;"])
def test_an_odd_content_type_reaches_django(server: Server, boundary: str) -> None:
    body = f"--{boundary.partition('=')[2]}--".encode()
    kind = "multipart/form-data" + boundary
    assert server.request(body, CONTENT_LENGTH=str(len(body)), CONTENT_TYPE=kind)[0] == 200


@pytest.mark.parametrize("path", ["/api/v2/process", "//api/v2/process/"])
def test_a_document_that_is_the_body_is_not_read_beforehand(path: str) -> None:
    """Whatever its type, and however large: who stores it counts."""
    server = Server()
    environ = {"REQUEST_METHOD": "PUT", "PATH_INFO": path, "CONTENT_TYPE": "", "CONTENT_LENGTH": "300"}
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        assert server.request(b"x" * 300, **environ)[0] == 200
        assert server.seen == [("300", b"x" * 300)]
        assert server.request(b"x" * 300, **{**environ, "PATH_INFO": "/api/v2/processes"})[0] == 413
        assert server.request(b"x" * 300, **{**environ, "REQUEST_METHOD": "POST"})[0] == 413


def test_every_endpoint_that_documents_come_to_in_forms_reads_them_as_they_come() -> None:
    """What is not told of as one of these has ten seconds for a form, and no room for a document."""
    described = SchemaGenerator().get_schema(public=True)
    forms = {
        tuple(path.strip("/").split("/"))[:3]
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
    }
    assert forms == connections._TAKE_DOCUMENTS
