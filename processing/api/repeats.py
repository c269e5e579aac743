"""What a request has in common with its own repetition: an `Idempotency-Key`, or the same content moments later."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from processing.access import idempotency
from processing.access.idempotency import Attempt
from processing.access.models import ApiKey, IdempotencyKey
from processing.api.authentication import caller
from processing.api.requests import form

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
TOLD = "The same was sent a moment ago; nothing was begun anew. With dedupe=false it would be."
PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="A name of your own for this request, 1 to 255 printable ASCII characters. Sent again within 24 hours "
    f"with the same content, it is answered as it was the first time, with `{REPLAYED}: true`; with another content it "
    "is refused (422 `idempotency_mismatch`), and while the first is under way too (409 `idempotency_in_flight`). "
    "Errors are not kept.",
)

_NO_CONTENT = frozenset({"csrfmiddlewaretoken", "dedupe"})


def key_of(request: Request | HttpRequest) -> str | None:
    """The caller's name for the request. Raises `InvalidInput` (`invalid_idempotency_key`)."""
    return idempotency.valid(request.headers.get(HEADER))


def digest(request: Request, files: Callable[[], Iterable[tuple[str, str, str]]]) -> str:
    """What was asked, in hex: the route, the fields, and the `files` by field, name and SHA-256,
    which are known once the body has been read."""
    fields = sorted(
        (name, [value for value in values if isinstance(value, str)])
        for name, values in form(request).lists()
        if name not in _NO_CONTENT
    )
    match = request._request.resolver_match
    content = [match.view_name if match else request.path, [each for each in fields if each[1]], sorted(files())]
    # Under a secret of our own: a password may be among the fields, and whoever reads the row is not to try them out.
    return salted_hmac(__name__, json.dumps(content), algorithm="sha256").hexdigest()


def fingerprint(request: Request, content: str) -> uuid.UUID:
    """The same for all that one key, or one user without a key, sends with the same content."""
    key = request.auth.pk if isinstance(request.auth, ApiKey) else None
    return uuid.UUID(bytes=hashlib.sha256(f"{caller(request).pk}/{key}/{content}".encode()).digest()[:16])


def replayed(earlier: IdempotencyKey, anew: Callable[[], Mapping[str, Any]], status: int) -> Response:
    """The reply of the first request; where it died before it replied, `anew` and `status` say what it would have."""
    if earlier.reply is None:
        response = Response(anew(), status=status)
    else:
        response = Response(earlier.reply, status=earlier.status)
    response[REPLAYED] = "true"
    return response


def kept(attempt: Attempt, response: Response, document_id: uuid.UUID | None = None) -> Response:
    """The response, which is kept for those who repeat the request, and no longer than the document it tells of."""
    attempt.keep(response.status_code, response.data, document_id)
    return response
