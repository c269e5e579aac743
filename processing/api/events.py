"""`GET /api/v2/tasks/{task_id}/events`: a task as it goes, as server-sent events.

A stream is one object for both kinds of server: a WSGI server iterates it in a thread, an ASGI server in its loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from processing.api import status
from processing.api.authentication import BrowserSession
from processing.delivery import events
from processing.delivery.watching import Watcher
from processing.errors import NotFound, ProcessingError
from processing.tasks.models import Task

MEDIA_TYPE = "text/event-stream"
# Seconds. So often a watcher's credential is looked at again, however much there is to tell, and a comment is sent:
# proxies and browsers take a silent connection for a dead one.
_BEAT = 5.0
_NUMBER = re.compile("[0-9]{1,18}")


class ResumeSerializer(serializers.Serializer[Any]):
    """Where to go on."""

    last_event_id = serializers.CharField(
        required=False,
        help_text="The id of the last event that was seen; the header `Last-Event-ID` says the same, and goes before.",
    )


class AnyAccept(DefaultContentNegotiation):
    """A stream has one form, whatever the client says that it accepts."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class EventStream:
    """What one watcher is sent. `before` is a frame that goes ahead; `is_welcome` is asked now and then."""

    def __init__(self, seq: int, after: int | None, is_welcome: Callable[[], bool], before: bytes = b"") -> None:
        self._seq = seq
        self._after = after
        self._before = before
        self.is_welcome = is_welcome

    def in_thread(self) -> Iterator[bytes]:
        """For a WSGI server."""
        woken = threading.Event()
        watcher = status.WATCH.join(self._seq, self._after, woken.set)
        due = time.monotonic() + _BEAT
        try:
            yield events.RETRY + self._before
            while True:
                woken.clear()
                is_over, frames = _taken(watcher)
                if frames:
                    yield frames
                if is_over:
                    return
                woken.wait(max(0.0, due - time.monotonic()))
                if time.monotonic() >= due:
                    if not self.is_welcome():
                        return
                    yield events.BEAT
                    due = time.monotonic() + _BEAT
        finally:
            watcher.leave()

    async def in_loop(self, is_welcome: Callable[[], Any]) -> AsyncIterator[bytes]:
        """For an ASGI server; `is_welcome` is awaited in place of the stream's own."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        watcher = status.WATCH.join(self._seq, self._after, lambda: _wake(loop, woken))
        due = loop.time() + _BEAT
        try:
            yield events.RETRY + self._before
            while True:
                woken.clear()
                is_over, frames = _taken(watcher)
                if frames:
                    yield frames
                if is_over:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await woken.wait()
                if loop.time() >= due:
                    if not await is_welcome():
                        return
                    yield events.BEAT
                    due = loop.time() + _BEAT
        finally:
            watcher.leave()


class EventStreamResponse(StreamingHttpResponse):
    """A stream as Django's servers take it; a server of our own drives `stream` itself."""

    def __init__(self, stream: EventStream, *, is_asynchronous: bool) -> None:
        self.stream = stream
        content = stream.in_loop(_threaded(stream.is_welcome)) if is_asynchronous else stream.in_thread()
        super().__init__(content, content_type=MEDIA_TYPE)
        self["Cache-Control"] = "no-cache, no-transform"
        self["X-Accel-Buffering"] = "no"  # nginx passes each event on at once


def stream(request: Request, task_id: str) -> HttpResponseBase:
    """The events of the caller's task. 204 for one who has seen its end, which stops a browser from coming back.

    Raises `NotFound`, for a stranger's task too.
    """
    own = Task.objects.filter(id=status.identifier(task_id), owner=request.user.pk)
    row = own.values_list("seq", "id", "status", "lease_token", "attempts").first()
    if row is None:
        raise NotFound("There is no such task.", "task_not_found")
    seq, id_, state, token, attempts = row
    standing = events.Standing(seq, str(id_), state, token, attempts)
    after = _last_seen(request)
    if request.method == "HEAD":
        return HttpResponse(content_type=MEDIA_TYPE)
    if after is not None and after > standing.last:  # none of this task's
        after = None
    if after == standing.last and standing.has_ended:
        return HttpResponse(status=204)
    return respond(request, EventStream(seq, after, lambda: is_welcome(request)))


def opened(request: Request, task: Task, reply: dict[str, Any]) -> HttpResponseBase:
    """The events of a task that was submitted by this request, after the reply to that."""
    before = events.frame("accepted", json.dumps(reply, cls=DjangoJSONEncoder))
    return respond(request, EventStream(task.seq, None, lambda: is_welcome(request), before))


def respond(request: Request, told: EventStream) -> EventStreamResponse:
    """The stream as the reply to this request."""
    return EventStreamResponse(told, is_asynchronous=isinstance(request._request, ASGIRequest))


def is_welcome(request: Request) -> bool:
    """Whether who opened the stream could open it still: it closes when their key was revoked meanwhile, or they have
    signed out, or their account is closed."""
    try:
        if isinstance(request.successful_authenticator, BrowserSession):
            return _is_signed_in(request)
        return any(each.authenticate(request) is not None for each in request.authenticators or ())
    except Error:  # That is not known now; whoever asks next asks on a connection of its own.
        connection.close()
        return True
    except (APIException, ProcessingError):
        return False


def _is_signed_in(request: Request) -> bool:
    """Whether the session still says so; what the request knows of it is as old as the request."""
    again = HttpRequest()
    again.session = type(request._request.session)(request._request.session.session_key)
    return bool(get_user(again).pk == request.user.pk)


def _last_seen(request: Request) -> int | None:
    told = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id") or ""
    return int(told) if _NUMBER.fullmatch(told) else None


def _taken(watcher: Watcher) -> tuple[bool, bytes]:
    """Whether nothing more will come, asked before what has come is taken."""
    is_over = watcher.is_over
    return is_over, b"".join(event.frame for event in watcher.take())


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    if not woken.is_set() and not loop.is_closed():
        loop.call_soon_threadsafe(woken.set)


def _threaded(ask: Callable[[], bool]) -> Callable[[], Any]:
    return lambda: asyncio.to_thread(ask)
