"""`/api/v2/batches`: many documents sent at once, looked at together, and their results fetched together."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any, cast

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, JsonResponse, QueryDict, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from processing.access import budgets, idempotency
from processing.access.idempotency import Attempt
from processing.access.models import ApiKey
from processing.api import repeats, throttling
from processing.api.actors import actor
from processing.api.authentication import (
    ApiKeyAuthentication,
    BrowserSession,
    BrowserSessionScheme,
    TokenAuthentication,
    caller,
)
from processing.api.batch_fields import (
    BatchCancelledSerializer,
    BatchListSerializer,
    BatchReplySerializer,
    BatchSerializer,
    BatchStandingSerializer,
    shown,
)
from processing.api.batch_files import BatchUploadHandler
from processing.api.batch_items import Plan
from processing.api.errors import ProblemSerializer
from processing.api.negotiation import OptionsInJson
from processing.api.requests import request_id
from processing.api.tasks import EndSerializer, NewestFirst
from processing.api.upload import take_in
from processing.api.uploads import ReceivedFile
from processing.api.usage import account
from processing.delivery import archive, batches
from processing.delivery.batches import Asked
from processing.documents.models import StoredDocument
from processing.errors import NotFound
from processing.operations import erasure
from processing.queue import admission
from processing.runtime.configuration import current
from processing.runtime.parameters import BYTES_PER_MB
from processing.tasks.models import Batch


class HeaderSession(BrowserSession):
    """A browser's session whose CSRF token comes in the header alone: the form is not read before it is known whose."""

    def enforce_csrf(self, request: Request) -> None:
        """Raises `PermissionDenied`."""
        received = request._request
        bodiless = copy.copy(received)
        if isinstance(received, WSGIRequest) and isinstance(bodiless, WSGIRequest):
            bodiless.environ = received.environ  # which a copy lacks
        bodiless.POST = QueryDict()
        super().enforce_csrf(cast(Request, bodiless))


class HeaderSessionScheme(BrowserSessionScheme):  # type: ignore[no-untyped-call]
    """How the OpenAPI description shows it."""

    target_class = HeaderSession
    name = "HeaderSession"


class JsonLines(BaseRenderer):
    """A name for the format: the answer is streamed."""

    media_type = "application/x-ndjson"
    format = "jsonl"


class Zip(BaseRenderer):
    """As above."""

    media_type = "application/zip"
    format = "zip"
    charset = None


class BatchViewSet(OptionsInJson):
    """Many tasks at once."""

    parser_classes = [MultiPartParser]
    authentication_classes = [ApiKeyAuthentication, TokenAuthentication, HeaderSession]
    polled = ("retrieve",)
    lookup_url_kwarg = "batch_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    form: BatchUploadHandler

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Before the body is touched."""
        self.form = BatchUploadHandler(request, on_file=self._on_file, keep=self._keep)
        if request.method == "POST":
            request.upload_handlers = [self.form]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="create_batch",
        summary="Submit many documents at once",
        request={"multipart/form-data": BatchSerializer},
        parameters=[repeats.PARAMETER],
        responses={201: BatchReplySerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def create(self, request: Request) -> Response:
        """Several files and one prompt, or a list of items, each with its own. What is wrong with one item is told as
        that item's error, and the others run; what is wrong with all of them, such as too little room in the queue,
        refuses the batch, and nothing of it is kept. Its items wait behind all single tasks."""
        owner, name = caller(request), repeats.key_of(request)
        parameters = current().parameters
        if not idempotency.is_known(owner.pk, name):
            budgets.allowance(account(request)).require_tokens()
            admission.require_room(admission.Caller(owner.pk, account(request).api_key_id), parameters)
        self._require_means(request)
        try:
            content = repeats.digest(request, self.form.digests)
            with idempotency.attempt(owner.pk, name, content) as attempt:
                if attempt.earlier is not None:
                    earlier = attempt.earlier.batch
                    return repeats.replayed(attempt.earlier, lambda: _reply(earlier, []), 201)
                return repeats.kept(attempt, self._taken(request, attempt, None if name else content))
        finally:
            self.form.finish()

    @extend_schema(
        operation_id="batches",
        summary="List the caller's batches, newest first",
        parameters=[
            OpenApiParameter("cursor", str, description="From `next` or `previous`."),
            OpenApiParameter("page_size", int),
        ],
        responses={200: BatchListSerializer, "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        """One page of the list."""
        pages = NewestFirst()
        page = pages.paginate_queryset(Batch.objects.filter(owner=caller(request)), request, self)
        return pages.get_paginated_response([shown(each) for each in batches.standings(page or [])])

    @extend_schema(
        operation_id="batch",
        summary="Read how a batch stands",
        responses={200: BatchStandingSerializer, "4XX": ProblemSerializer},
    )
    def retrieve(self, request: Request, batch_id: str) -> JsonResponse:
        """Its items are listed by `/api/v2/tasks?batch={batch_id}`."""
        return JsonResponse(shown(batches.standings([_own(request, batch_id)])[0]))

    @extend_schema(
        operation_id="cancel_batch",
        summary="Cancel a batch, or erase it",
        parameters=[EndSerializer],
        responses={
            200: BatchCancelledSerializer,
            204: OpenApiResponse(description="Erased (`erase=true`)."),
            "4XX": ProblemSerializer,
        },
    )
    def destroy(self, request: Request, batch_id: str) -> Response:
        """End all items that have not ended. With `erase=true`, nothing is left of any of them."""
        asked = EndSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = identifier(batch_id)
        if asked.validated_data["erase"]:
            erasure.erase_batch(caller(request).pk, wanted, actor(request))
            return Response(status=204)
        batch, cancelled = batches.cancel(caller(request).pk, wanted, actor(request))
        return Response(
            {
                "message": "The batch is cancelled.",
                "batch_id": str(batch.id),
                "cancelled": cancelled,
                "timestamp": (batch.cancelled_at or timezone.now()).timestamp(),
            }
        )

    @extend_schema(
        operation_id="batch_results",
        summary="Fetch what became of each item of a batch",
        parameters=[OpenApiParameter("format", enum=["jsonl", "zip"], description="As `Accept` says it otherwise.")],
        responses={
            (200, JsonLines.media_type): OpenApiTypes.STR,
            (200, Zip.media_type): OpenApiTypes.BINARY,
            "4XX": ProblemSerializer,
        },
    )
    @action(detail=True, methods=["get"], url_path="results", renderer_classes=[JsonLines, Zip, JSONRenderer])
    def results(self, request: Request, batch_id: str) -> StreamingHttpResponse:
        """A line, or in a ZIP a file, for each item in their order: `line`, `file`, `task_id`, `status`, `result` and,
        of those that failed, `error`, `error_type` and `error_code`. What has not ended has no result yet."""
        batch = _own(request, batch_id)
        records = batches.results(batch)
        if request.accepted_renderer.format == Zip.format:
            body, kind, name = archive.zipped(records), Zip.media_type, f"batch-{batch.id}.zip"
        else:
            body, kind, name = archive.lines(records), JsonLines.media_type, f"batch-{batch.id}.jsonl"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(body, content_type=kind, headers=disposition)

    def _taken(self, request: Request, attempt: Attempt, content: str | None) -> Response:
        """`content` is the digest by which a repetition is known; None where a key does that."""
        plan = Plan(request, self.form, lambda files: throttling.count_batch(request, self, files))
        batch = batches.create(
            Asked(
                owner_id=caller(request).pk,
                api_key_id=request.auth.pk if isinstance(request.auth, ApiKey) else None,
                request_id=request_id(request._request),
                items=plan.items,
                refused=plan.refused,
                fingerprint=repeats.fingerprint(request, content) if content and plan.dedupe else None,
                webhook_url=plan.webhook_url,
            ),
            current().parameters,
            attempt.bind_batch,
        )
        if not batch.is_repeat:
            self.form.used = {item.submission.document.pk for item in plan.items}
        return Response(_reply(batch, sorted(plan.ignored)), status=201)

    def _on_file(self) -> None:
        """A document begins. Raises what refuses the batch."""
        throttling.count_batch(self.request, self, 1)
        admission.require_means(current().parameters)

    def _keep(self, file: ReceivedFile) -> StoredDocument:
        return take_in(caller(self.request), file, current().parameters)

    def _require_means(self, request: Request) -> None:
        """As `FileViewSet.require_means`; a chunked body says nothing of its size."""
        parameters = current().parameters
        length = str(request.META.get("CONTENT_LENGTH") or "")
        chunked = bool(request.META.get("HTTP_TRANSFER_ENCODING"))
        declared = int(length) if length.isdecimal() and not chunked else parameters.file_limit
        admission.require_means(parameters, min(declared, parameters.max_batch_mb * BYTES_PER_MB))


def identifier(batch_id: str) -> uuid.UUID:
    """The batch's id out of its path. Raises `NotFound` for what cannot be one."""
    try:
        return uuid.UUID(batch_id)
    except ValueError:
        raise NotFound("There is no such batch.", "batch_not_found") from None


def _own(request: Request, batch_id: str) -> Batch:
    return batches.find(caller(request).pk, identifier(batch_id))


def _reply(batch: Batch | None, ignored: list[str]) -> Mapping[str, Any]:
    if batch is None:
        raise NotFound("There is no such batch.", "batch_not_found")
    return {
        **shown(batches.standings([batch])[0]),
        "message": repeats.TOLD if batch.is_repeat else "The batch is taken.",
        "deduplicated": batch.is_repeat,
        "ignored_fields": ignored,
    }
