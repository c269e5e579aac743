"""What every request gets: an id that follows it into logs and replies, a path without doubled slashes, and UTF-8."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from rest_framework.request import Request

from processing.runtime import log_context

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestMiddleware:
    """Keeps the caller's `X-Request-ID` if it is sane, makes one otherwise, and returns it on the response.

    A base URL that ends in a slash makes clients ask for `//api/v2/…`; they mean `/api/v2/…`. No `charset` is heeded:
    every body is UTF-8, and some of the codecs that a header may name fail where a form is read by them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wanted = request.headers.get("X-Request-ID", "")
        identifier = wanted if _SANE_ID.fullmatch(wanted) else uuid.uuid4().hex
        request.META["api_v2.request_id"] = identifier
        request.encoding = "utf-8"
        if request.path_info.startswith("//"):
            request.path_info = "/" + request.path_info.lstrip("/")
            request.path = "/" + request.path.lstrip("/")
        named = log_context.request_id.set(identifier)
        try:
            response = self.get_response(request)
        finally:
            log_context.request_id.reset(named)
        response["X-Request-ID"] = identifier
        return response


class MalformedAddress(SuspiciousOperation):
    """A path or a query that no program of good faith asks for."""


class AddressMiddleware:
    """Refuses a null character in path and query, which no database compares with anything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise MalformedAddress("A null character stands in the address.")
        return self.get_response(request)


def form(request: Request) -> QueryDict:
    """The fields and files of a form; none where there was no body."""
    return request.data if isinstance(request.data, QueryDict) else QueryDict()


def request_id(request: HttpRequest) -> str:
    """The id of this request."""
    return str(request.META.get("api_v2.request_id", ""))
