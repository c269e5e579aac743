"""Keeps threads free for short requests, and hands Django only bodies that it can read to their end.

A WSGI server gives every request a thread. Clients that send slowly or wait for an answer would take them all, so those
who send documents, those who send something small and those who wait get places of their own, and who comes when these
are taken is told at once to come back.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_header_parameters

from apiv2project import arrival
from apiv2project.arrival import PIECE, Arrival
from apiv2project.places import GiveBack, Places, owners
from processing.api.errors import problem
from processing.api.requests import RequestMiddleware
from processing.api.waiting import PLACES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNKNOWN_LENGTH = 1 << 40  # the CONTENT_LENGTH that stands for "chunked"; who stores the upload counts and refuses
_COME_BACK = 5  # seconds
_FOR_A_SMALL_PLACE = 0.25  # seconds: many small bodies that come at once arrive within a few milliseconds each
_RAW = ("api", "v2", "process")  # takes a document as it is, whatever its type, by PUT
# What documents come to in forms. Each of these looks who is calling before it reads.
_TAKE_DOCUMENTS = {_RAW, ("api", "v2", "upload"), ("api", "v2", "batches"), ("v1", "convert", "file")}


class _Place:
    """A place that a request holds; one whose body has arrived may go on to a place of those who wait."""

    def __init__(self, give_back: GiveBack, take_one_to_wait: Callable[[], GiveBack | None] | None) -> None:
        """`take_one_to_wait` is None where the place is one to wait in."""
        self._give_back: GiveBack | None = give_back
        self._take_one_to_wait = take_one_to_wait

    def wait(self) -> bool:
        """Whether it has a place to wait in now."""
        if self._take_one_to_wait is None:
            return True
        taken = self._take_one_to_wait()
        if taken is None:
            return False
        self.release()
        self._give_back, self._take_one_to_wait = taken, None
        return True

    def release(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class ConnectionGate:
    """A WSGI application around another. Of 16 threads 6 may receive documents, 2 small bodies, and 6 may wait, 3 of
    them for the same caller; 2 stay free."""

    def __init__(self, application: WSGIApplication, *, threads: int) -> None:
        self._application = application
        waiting = threads * 6 // 16
        self._documents = Places(threads * 6 // 16)
        self._small = Places(threads * 2 // 16)
        self._waiting = Places(waiting, share=waiting // 2)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        declared = environ.get("CONTENT_LENGTH") or "0"
        if not (declared.isascii() and declared.isdigit()):
            return _refuse(environ, start_response, 400, "The Content-Length is not a number.", "malformed_body")
        if not (_has_body(environ) or _will_wait(environ)):
            return self._application(environ, start_response)
        place = self._place_for(environ)
        if place is None:
            if _has_body(environ):
                start_response = _closing(start_response)
            return _refuse(environ, start_response, 503, "Too many requests are under way. Come back soon.", "busy")
        environ[PLACES] = place.wait
        with contextlib.ExitStack() as until_sent:
            until_sent.callback(place.release)
            response = self._answer(environ, start_response, place, until_sent)
            return _Held(response, until_sent.pop_all().close)

    def _place_for(self, environ: WSGIEnvironment) -> _Place | None:
        def to_wait() -> GiveBack | None:
            request = HttpRequest()
            request.META = environ
            return self._waiting.take(owners(request))

        if not _has_body(environ):
            taken = to_wait()
            return taken and _Place(taken, None)
        taken = self._documents.take() if _is_streamed(environ) else self._small.take(within=_FOR_A_SMALL_PLACE)
        return taken and _Place(taken, to_wait)

    def _answer(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        place: _Place,
        until_sent: contextlib.ExitStack,
    ) -> Iterable[bytes]:
        if not _has_body(environ):
            return self._application(environ, start_response)
        arriving = until_sent.enter_context(_arriving(environ))
        body = cast(Arrival, arriving.raw)
        start_response = _closing_early(start_response, body)
        if _is_streamed(environ):
            environ["wsgi.input"] = arriving
            environ["CONTENT_LENGTH"] = str(_length(environ) or UNKNOWN_LENGTH)
            response = self._application(environ, start_response)
        else:
            response = self._answer_small(environ, start_response, place, arriving)
        until_sent.callback(self._linger, body, place)
        return response

    def _linger(self, body: Arrival, place: _Place) -> None:
        """Listen to a sender who was answered early, at a place of those who send something small, if there is one:
        strangers whose documents are refused keep no others from sending theirs."""
        if body.is_whole:
            return
        place.release()
        give_back = self._small.take()
        if give_back is not None:
            try:
                body.linger()
            finally:
                give_back()

    def _answer_small(
        self, environ: WSGIEnvironment, start_response: StartResponse, place: _Place, arriving: io.BufferedReader
    ) -> Iterable[bytes]:
        """Read the body; from then on the request is as short as one without, and needs no place."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if (_length(environ) or 0) > limit:
            return _refuse(environ, start_response, 413, "The body of the request is too large.", "body_too_large")
        try:
            body = arriving.read(limit + 1)
        except TimeoutError:
            return _refuse(environ, start_response, 408, "The body did not arrive in time.", "body_timeout")
        except ConnectionError:
            return _refuse(environ, start_response, 400, "The body of the request broke off.", "malformed_body")
        if len(body) > limit:
            return _refuse(environ, start_response, 413, "The body of the request is too large.", "body_too_large")
        place.release()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self._application(environ, start_response)


class _Held:
    """A response that gives its place back when it has been sent or given up."""

    def __init__(self, response: Iterable[bytes], release: Callable[[], None]) -> None:
        self._response = response
        self._release = release
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        """As WSGI asks: called once by the server, whatever became of the response."""
        if self._closed:
            return
        self._closed = True
        try:
            getattr(self._response, "close", lambda: None)()
        finally:
            self._release()


def _length(environ: WSGIEnvironment) -> int | None:
    """What the client declared; None for a chunked body."""
    return None if "HTTP_TRANSFER_ENCODING" in environ else int(environ.get("CONTENT_LENGTH") or "0")


def _names_a_stream(environ: WSGIEnvironment) -> bool:
    return bool(environ.get("PATH_INFO", "").rstrip("/").endswith("/events"))


def _has_body(environ: WSGIEnvironment) -> bool:
    return _length(environ) != 0


def _will_wait(environ: WSGIEnvironment) -> bool:
    wants_to_wait = "wait" in parse_qs(environ.get("QUERY_STRING", "")) or "wait=" in environ.get("HTTP_PREFER", "")
    return wants_to_wait or "text/event-stream" in environ.get("HTTP_ACCEPT", "") or _names_a_stream(environ)


def _is_streamed(environ: WSGIEnvironment) -> bool:
    """Whether the application reads this body piece by piece, once it knows the caller; every other one is small and
    read beforehand, whoever sends it."""
    segments = tuple(each for each in environ.get("PATH_INFO", "").split("/") if each)
    if environ.get("REQUEST_METHOD") == "PUT" and segments == _RAW:
        return True
    is_form = environ.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
    return is_form and segments[:3] in _TAKE_DOCUMENTS


def _closing_early(start_response: StartResponse, body: Arrival) -> StartResponse:
    """Say `Connection: close` on an answer that comes before the end of the body (RFC 9112, 9.6): the server closes the
    connection then, and a client that was not told would send its next request into it."""

    closing = _closing(start_response)

    def start(*answer: Any) -> Callable[[bytes], object]:
        return (start_response if body.is_whole else closing)(*answer)

    return start


def _closing(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
        return start_response(status, [*headers, ("Connection", "close")], *more)

    return start


def _arriving(environ: WSGIEnvironment) -> io.BufferedReader:
    within = arrival.WHOLE_WITHIN if _is_streamed(environ) else arrival.SMALL_WITHIN
    ending = _ending(environ.get("CONTENT_TYPE", ""))
    return io.BufferedReader(Arrival(environ["wsgi.input"].read, _length(environ), ending, within), PIECE)


def _ending(content_type: str) -> bytes:
    """What closes a multipart body (RFC 2046, 5.1.1); nothing for other types."""
    try:
        boundary = parse_header_parameters(content_type)[1].get("boundary", "")
    except ValueError:  # Django refuses it too, where it can say so
        return b""
    return f"--{boundary}--".encode("latin-1", "replace") if boundary else b""


def _refuse(
    environ: WSGIEnvironment, start_response: StartResponse, status: int, detail: str, code: str
) -> Iterable[bytes]:
    """The contract's error, with the request's id, without reading what is still to come."""

    def answer(request: HttpRequest) -> HttpResponse:
        return problem(request, status, detail, code, more={"retry_after": _COME_BACK if status == 503 else None})

    environ["CONTENT_LENGTH"] = "0"
    response = RequestMiddleware(answer)(WSGIRequest(environ))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]
