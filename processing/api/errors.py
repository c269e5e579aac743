"""The one place where errors become HTTP: RFC 9457 problems with the service's own fields beside the standard ones."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.csrf import csrf_failure as html_csrf_failure
from django.views.defaults import page_not_found as html_not_found
from django.views.defaults import permission_denied as html_permission_denied
from django.views.defaults import server_error as html_server_error
from rest_framework import exceptions, serializers

from modelsregistry.errors import ModelError
from processing import errors, metrics
from processing.access import lockout
from processing.api import throttling
from processing.api.addresses import client_address
from processing.api.requests import MalformedAddress, request_id
from processing.counters import pending
from processing.documents import space

logger = logging.getLogger(__name__)

_STATUS_BY_FAMILY: dict[type[errors.ProcessingError], int] = {
    errors.InvalidInput: 422,
    errors.AccessDenied: 403,
    errors.NotFound: 404,
    errors.LimitReached: 429,
    errors.DocumentFailed: 422,
    errors.ModelFailed: 502,
    errors.DeadlineExceeded: 504,
    errors.ServiceUnavailable: 503,
}

_STATUS_BY_CODE = {
    "invalid_credentials": 401,
    "malformed_body": 400,
    "too_many_fields": 400,
    "empty_file": 400,
    "task_finished": 400,
    "batch_finished": 400,
    "revision_mismatch": 412,
    "task_completed": 400,
    "task_not_ended": 409,
    "idempotency_in_flight": 409,
    "task_document_gone": 409,
    "length_required": 411,
    "file_too_large": 413,
    "body_too_large": 413,
    "unsupported_type": 415,
    "blocked_type": 415,
    "type_mismatch": 415,
    "disk_full": 507,
}

# As draft-ietf-httpapi-ratelimit-headers registers it.
_QUOTA_EXCEEDED = {
    "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "title": "Request cannot be satisfied as assigned quota has been exceeded",
}

_DATABASE_BACK = 5  # seconds until it is worth another try

_TYPE_BY_STATUS = {
    400: "validation_error",
    401: "auth_error",
    403: "auth_error",
    405: "validation_error",
    406: "validation_error",
    408: "timeout_error",
    411: "validation_error",
    412: "validation_error",
    413: "validation_error",
    415: "validation_error",
    422: "validation_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


class ProblemSerializer(serializers.Serializer[dict[str, Any]]):
    """An error, as every endpoint returns it (`application/problem+json`, RFC 9457)."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence for a person.")
    error_type = serializers.ChoiceField(
        choices=[
            "validation_error",
            "auth_error",
            "rate_limit_error",
            "processing_error",
            "timeout_error",
            "system_error",
        ]
    )
    code = serializers.CharField(help_text="Machine-readable, stable.")
    timestamp = serializers.FloatField()
    request_id = serializers.CharField()
    task_id = serializers.UUIDField(required=False)
    retry_after = serializers.IntegerField(required=False, help_text="Seconds.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="Sentences by field."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With the one whose name is no Python name."""
        violated = serializers.ListField(
            child=serializers.CharField(),
            required=False,
            help_text="The rate limits that are used up, by their names in `RateLimit-Policy`.",
        )
        return {**super().get_fields(), "violated-policies": violated}


def problem(
    request: HttpRequest,
    status: int,
    detail: str,
    code: str,
    *,
    error_type: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> JsonResponse:
    """One error as a response; `more` holds the optional fields of the contract but the task that the path names."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error_type": error_type or _TYPE_BY_STATUS.get(status, "system_error"),
        "code": code,
        "timestamp": time.time(),
        "request_id": request_id(request),
        "task_id": _task_of(request),
        **(more or {}),
    }
    body = {name: value for name, value in body.items() if value is not None}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    if "retry_after" in body:
        response["Retry-After"] = str(body["retry_after"])
    return response


def _task_of(request: HttpRequest) -> str | None:
    """The task that the request is about, whether there is one of that id or not."""
    named = request.resolver_match.kwargs.get("task_id") if request.resolver_match else None
    try:
        return None if named is None else str(uuid.UUID(named))
    except ValueError:
        return None


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's hook: every exception that leaves a view becomes a problem; unknown ones are logged and say nothing."""
    exc = throttling.even_if_refused(exc, context["request"], context["view"])
    request: HttpRequest = context["request"]._request  # DRF's own name for Django's request
    if isinstance(exc, errors.ProcessingError):
        return _of_processing_error(request, exc)
    if isinstance(exc, ModelError):
        return problem(request, 422, exc.detail, exc.code, error_type="validation_error")
    if isinstance(exc, Http404):
        return problem(request, 404, "There is nothing here.", "not_found")
    if isinstance(exc, PermissionDenied):
        return problem(request, 403, "You may not do this.", "permission_denied")
    if isinstance(exc, exceptions.APIException):
        return _of_api_exception(request, exc)
    if space.is_full(exc):
        logger.error("disk is full", exc_info=exc, extra={"request_id": request_id(request)})
        return _of_processing_error(request, space.refusal())
    if isinstance(exc, (SuspiciousOperation, UnreadablePostError)):
        return _of_bad_request(request, exc)
    return _of_failure(request, exc)


def _of_failure(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Not the caller's fault: a database that is away comes back, anything else is ours."""
    logger.error("request failed", exc_info=exc, extra={"request_id": request_id(request), "path": request.path})
    if isinstance(exc, (OperationalError, InterfaceError)):
        more = {"retry_after": _DATABASE_BACK}
        return problem(request, 503, "The database does not answer. Come back soon.", "database_unavailable", more=more)
    return problem(request, 500, "Something went wrong on our side.", "internal_error")


def _of_processing_error(request: HttpRequest, exc: errors.ProcessingError) -> HttpResponse:
    status = _STATUS_BY_CODE.get(exc.code)
    if status is None:
        status = next((_STATUS_BY_FAMILY[kind] for kind in type(exc).__mro__ if kind in _STATUS_BY_FAMILY), 500)
    if isinstance(exc, (errors.LimitReached, errors.ServiceUnavailable)):
        pending.count(*metrics.REFUSED.by(1, exc.code))
    more: dict[str, Any] = {"errors": exc.errors, "retry_after": exc.retry_after}
    if isinstance(exc, errors.RateExceeded):
        more |= {**_QUOTA_EXCEEDED, "violated-policies": exc.policies}
    return problem(request, status, exc.detail, exc.code, error_type=exc.error_type, more=more)


def _of_api_exception(request: HttpRequest, exc: exceptions.APIException) -> HttpResponse:
    if isinstance(exc, exceptions.ValidationError):
        return _of_validation_error(request, exc)
    code = str(exc.get_codes())
    detail = str(exc.detail)
    if isinstance(exc, exceptions.ParseError):
        code, detail = "malformed_body", "The body of the request is malformed."
    response = problem(request, exc.status_code, detail, code)
    if "WWW-Authenticate" not in response and getattr(exc, "auth_header", None):
        response["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]
    return response


def _of_validation_error(request: HttpRequest, exc: exceptions.ValidationError) -> HttpResponse:
    """Field errors; the sentence and the code are those of the first field."""
    detail, code = first_fault(exc)
    return problem(request, 422, detail, code, more={"errors": _sentences(exc)})


def first_fault(exc: exceptions.ValidationError) -> tuple[str, str]:
    """The sentence and the code of the first field that is wrong."""
    name, first = next(iter(_sentences(exc).items()))
    codes = exc.get_codes()
    code = codes.get(name, "invalid") if isinstance(codes, dict) else "invalid"
    while isinstance(code, (list, dict)):
        code = next(iter(code.values() if isinstance(code, dict) else code), "invalid")
    return f"{name}: {first[0]}", str(code)


def _sentences(exc: exceptions.ValidationError) -> dict[str, list[str]]:
    fields = exc.detail if isinstance(exc.detail, dict) else {"body": exc.detail}
    return {str(name): _flatten(value) for name, value in fields.items()}


def _flatten(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {sentence}" for name, inner in value.items() for sentence in _flatten(inner)]
    if isinstance(value, list):
        return [sentence for inner in value for sentence in _flatten(inner)]
    return [str(value)]


def _of_bad_request(request: HttpRequest, exc: Exception) -> HttpResponse:
    name = type(exc).__name__
    if isinstance(exc, RequestDataTooBig):
        return problem(request, 413, "The request's fields are too large.", "body_too_large")
    if isinstance(exc, DisallowedHost):
        return problem(request, 400, "The service does not answer to this host name.", "unknown_host")
    if isinstance(exc, MalformedAddress):
        return problem(request, 400, "The address of the request is malformed.", "malformed_address")
    if isinstance(exc.__cause__, TimeoutError):
        return problem(request, 408, "The body did not arrive in time.", "body_timeout")
    if name in ("TooManyFieldsSent", "TooManyFilesSent"):
        return problem(request, 400, "The request has too many fields.", "too_many_fields")
    return problem(request, 400, "The body of the request is malformed.", "malformed_body")


def _is_for_people(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/") and "text/html" in request.headers.get("Accept", "")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return _of_bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    if _is_for_people(request):
        return html_permission_denied(request, exception)
    return problem(request, 403, "You may not do this.", "permission_denied")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    if _is_for_people(request):
        return html_csrf_failure(request, reason)
    return problem(request, 403, "The form's CSRF token is missing or wrong.", "csrf_failed")


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Mapping[str, Any] | None = None
) -> HttpResponse:
    """django-axes' AXES_LOCKOUT_CALLABLE, in place of what the view answered: the form of a person says it itself."""
    left = lockout.seconds_left(lockout.lock_name(request, credentials), client_address(request))
    if response is not None and _is_for_people(request):
        response.status_code = 429
        response["Retry-After"] = str(left)
        return response
    return problem(request, 429, lockout.told(left), "locked_out", more={"retry_after": left})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if _is_for_people(request):
        return html_not_found(request, exception)
    return problem(request, 404, "There is nothing here.", "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    if _is_for_people(request):
        return html_server_error(request)
    return problem(request, 500, "Something went wrong on our side.", "internal_error")
