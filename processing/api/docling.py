"""docling-serve's v1: documents are converted while the caller waits, or by a task that is asked about later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.viewsets import ViewSet

from processing.api import throttling, waiting
from processing.api.authentication import HeaderKeyAuthentication, caller
from processing.api.conversions import who
from processing.api.docling_fields import (
    ConversionTaskSerializer,
    ConvertedSerializer,
    FilesSerializer,
    SourcesSerializer,
)
from processing.api.docling_replies import result_reply, task_reply
from processing.api.errors import ProblemSerializer
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import PublicEndpoint
from processing.api.requests import request_id
from processing.api.status import identifier
from processing.api.upload import take_in
from processing.api.uploads import FILES, BoundedFilesHandler, FileViewSet, ReceivedFile, named_file, too_large
from processing.delivery import awaiting, conversions, fetching
from processing.delivery.conversions import Converting, Wanted
from processing.delivery.fetching import Source, Terms
from processing.documents import registry, store
from processing.documents.models import StoredDocument
from processing.errors import DeadlineExceeded, NotFound, ServiceUnavailable
from processing.operations import health
from processing.pipeline.conversion import Conversion
from processing.queue import admission
from processing.runtime.configuration import InForce, current
from processing.runtime.parameters import Parameters

TAGS = ["drop-in"]
LONGEST_WAIT = 120.0  # seconds, as docling-serve has it
_FETCHED_WITHIN = 60.0  # seconds for all sources of a request
_KEYS: Sequence[Any] = [HeaderKeyAuthentication, *api_settings.DEFAULT_AUTHENTICATION_CLASSES]
_PROBLEMS: dict[Any, Any] = {"4XX": ProblemSerializer, "5XX": ProblemSerializer}
_CONVERTED: dict[Any, Any] = {200: ConvertedSerializer, (200, "application/zip"): bytes, **_PROBLEMS}
_BEGUN: dict[Any, Any] = {200: ConversionTaskSerializer, **_PROBLEMS}


class Converter(FileViewSet):
    """What both ways to send documents have in common."""

    authentication_classes = _KEYS
    upload_handler = BoundedFilesHandler

    def converted(self, request: Request) -> HttpResponseBase:
        """Wait for it. Raises `DeadlineExceeded` (`conversion_timeout`); what was begun goes on then."""
        begun = self.begun(request, is_waited=True)
        if not awaiting.ended([task.seq for task in begun.tasks], LONGEST_WAIT):
            raise DeadlineExceeded(
                "The conversion takes longer than this request may. Use its asynchronous form.", "conversion_timeout"
            )
        return result_reply(conversions.of(caller(request).pk, begun.id))

    def begun(self, request: Request, *, is_waited: bool) -> Converting:
        """Take the documents in and write their tasks."""
        in_force = current()
        admission.require_room(who(request), in_force.parameters)
        self.require_means(request)
        documents, options, target = self.documents(request, in_force.parameters)
        if is_waited:
            waiting.require_place(request)  # The one that it had was for what arrives.
        return conversions.begin(
            who(request), documents, _wanted(request, options, target, in_force, is_waited=is_waited), in_force
        )

    def documents(self, request: Request, parameters: Parameters) -> tuple[list[StoredDocument], dict[str, Any], str]:
        """The documents, the options and the target of the request."""
        raise NotImplementedError


class ConvertFileViewSet(Converter):
    """Documents that come as files."""

    @extend_schema(
        operation_id="convert_file",
        summary="Convert documents, as docling-serve does",
        description="One document comes back as JSON, several as a ZIP. After 120 s: 504.",
        tags=TAGS,
        request={"multipart/form-data": FilesSerializer},
        responses=_CONVERTED,
    )
    def create(self, request: Request) -> HttpResponseBase:
        """Wait for the text."""
        return self.converted(request)

    @extend_schema(
        operation_id="convert_file_async",
        summary="Begin to convert documents, as docling-serve does",
        tags=TAGS,
        request={"multipart/form-data": FilesSerializer},
        responses=_BEGUN,
    )
    @action(detail=False, methods=["post"], url_path="async", url_name="async")
    def create_async(self, request: Request) -> Response:
        """The task."""
        return Response(task_reply(self.begun(request, is_waited=False)))

    def documents(self, request: Request, parameters: Parameters) -> tuple[list[StoredDocument], dict[str, Any], str]:
        options = FilesSerializer(data=request.data)
        files = [each for each in request.FILES.getlist(FILES) if isinstance(each, ReceivedFile)]
        if not files:
            raise ValidationError({FILES: ["Send the documents as files."]}, code="file_required")
        options.is_valid(raise_exception=True)
        if len(files) > 1:
            throttling.count_batch(request, self, len(files))
        found = options.validated_data
        return _kept(request, [partial(_itself, each) for each in files], parameters), found, found["target_type"]


class ConvertSourceViewSet(Converter):
    """Documents that are fetched, or come inside JSON."""

    parser_classes = [BoundedJSONParser]

    @extend_schema(
        operation_id="convert_source",
        summary="Convert documents by their URLs, as docling-serve does",
        description="Sources are fetched from the public Internet alone, without following redirects. One document "
        "comes back as JSON, several as a ZIP. After 120 s: 504.",
        tags=TAGS,
        request=SourcesSerializer,
        responses=_CONVERTED,
    )
    def create(self, request: Request) -> HttpResponseBase:
        """Wait for the text."""
        return self.converted(request)

    @extend_schema(
        operation_id="convert_source_async",
        summary="Begin to convert documents by their URLs, as docling-serve does",
        tags=TAGS,
        request=SourcesSerializer,
        responses=_BEGUN,
    )
    @action(detail=False, methods=["post"], url_path="async", url_name="async")
    def create_async(self, request: Request) -> Response:
        """The task. The documents have been fetched by then."""
        return Response(task_reply(self.begun(request, is_waited=False)))

    def documents(self, request: Request, parameters: Parameters) -> tuple[list[StoredDocument], dict[str, Any], str]:
        asked = SourcesSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = asked.validated_data
        sources = found["sources"]
        for each in sources:  # before anything is fetched
            if each["kind"] == "http":
                fetching.checked(_source(each), allow_private=parameters.allow_private_sources)
        throttling.count_upload(request, self)
        if len(sources) > 1:
            throttling.count_batch(request, self, len(sources))
        terms = Terms(parameters.file_limit, time.monotonic() + _FETCHED_WITHIN, parameters.allow_private_sources)
        files = [partial(_received, each, terms, parameters) for each in sources]
        target = found.get("target", {}).get("kind", "inbody")
        return _kept(request, files, parameters), found.get("options", {}), target


class PollViewSet(ViewSet):
    """Where a conversion stands."""

    authentication_classes = _KEYS
    polled = ("retrieve",)
    lookup_url_kwarg = "task_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    @extend_schema(
        operation_id="poll_conversion",
        summary="Where a conversion stands, as docling-serve tells it",
        tags=TAGS,
        parameters=[OpenApiParameter("wait", float, description="Seconds to wait for its end, 120 at most.")],
        responses=_BEGUN,
    )
    def retrieve(self, request: Request, task_id: str) -> Response:
        """At once, or when it has ended."""
        found = conversions.of(caller(request).pk, identifier(task_id))
        wait = _seconds(request.query_params.get("wait", "0"))
        if wait and not found.has_ended:
            awaiting.ended([task.seq for task in found.tasks], wait)
            found = conversions.of(caller(request).pk, found.id)
        return Response(task_reply(found))


class ResultViewSet(ViewSet):
    """What came of a conversion."""

    authentication_classes = _KEYS
    polled = ("retrieve",)
    lookup_url_kwarg = "task_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    @extend_schema(
        operation_id="conversion_result",
        summary="Read what came of a conversion, as docling-serve tells it",
        description="404 with the code `result_not_ready` while it has not ended.",
        tags=TAGS,
        responses=_CONVERTED,
    )
    def retrieve(self, request: Request, task_id: str) -> HttpResponseBase:
        """As the reply of the form that waits."""
        found = conversions.of(caller(request).pk, identifier(task_id))
        if not found.has_ended:
            raise NotFound("The conversion has not ended yet.", "result_not_ready")
        return result_reply(found)


class AliveViewSet(ViewSet):
    """`/health`: this process answers."""

    authentication_classes = []
    permission_classes = [PublicEndpoint]
    throttle_classes = []
    public_name = "health"

    @extend_schema(
        operation_id="alive",
        summary="Whether the service answers, as docling-serve tells it",
        tags=TAGS,
        responses=inline_serializer("Alive", {"status": serializers.CharField()}),
    )
    def list(self, _request: Request) -> JsonResponse:
        """Always."""
        return JsonResponse({"status": "ok"})


class ReadyViewSet(AliveViewSet):
    """`/ready`: it takes documents."""

    @extend_schema(
        operation_id="ready",
        summary="Whether the service takes documents, as docling-serve tells it",
        tags=TAGS,
        responses={200: inline_serializer("Ready", {"status": serializers.CharField()}), 503: ProblemSerializer},
    )
    def list(self, _request: Request) -> JsonResponse:
        """Raises `ServiceUnavailable` (`not_ready`)."""
        if not health.report().is_serving:
            raise ServiceUnavailable("The service takes no documents now.", "not_ready", retry_after=5)
        return JsonResponse({"status": "ok"})


class VersionsViewSet(ViewSet):
    """`/version`."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="versions",
        summary="Which version answers, where docling-serve tells its own",
        tags=TAGS,
        responses=inline_serializer("Versions", {"api-v2": serializers.CharField()}),
    )
    def list(self, _request: Request) -> JsonResponse:
        """By component, of which there is one."""
        return JsonResponse({"api-v2": settings.API_V2_VERSION})


def _wanted(request: Request, options: dict[str, Any], target: str, in_force: InForce, *, is_waited: bool) -> Wanted:
    how = Conversion.model_validate(
        {
            "formats": options.get("to_formats") or ["md"],
            "ocr": options.get("do_ocr", True),
            "page_break": options.get("md_page_break_placeholder") or None,
            "target": target,
        }
    )
    return Wanted(
        how=how,
        pages=options.get("page_range"),
        timeout=min(options.get("document_timeout") or in_force.parameters.timeout, in_force.parameters.timeout),
        is_waited=is_waited,
        request_id=request_id(request._request),
    )


def _kept(
    request: Request, files: Sequence[Callable[[], ReceivedFile]], parameters: Parameters
) -> list[StoredDocument]:
    """All of them, or none: one that is not taken refuses the request."""
    kept: list[StoredDocument] = []
    try:
        for file in files:
            with closing(file()) as received:
                kept.append(take_in(caller(request), received, parameters))
    except Exception:
        conversions.give_up(kept)
        raise
    return kept


def _itself(file: ReceivedFile) -> ReceivedFile:
    return file


def _received(source: dict[str, Any], terms: Terms, parameters: Parameters) -> ReceivedFile:
    """One source as a file on disk."""
    admission.require_means(parameters, parameters.file_limit)
    if source["kind"] == "file":
        if len(source["base64_string"]) > parameters.file_limit:
            raise too_large(parameters.file_limit)
        with _written(source.get("filename", "")) as file:
            file.take(source["base64_string"])
        return file
    asked = _source(source)
    with _written("") as file:
        media_type = fetching.fetch(asked, terms, file.take).media_type
    extensions = {end for each in registry.all_formats().values() for end in each.extensions}
    blocked = {each.lstrip(".") for each in parameters.blocked_extensions}
    file.name = store.display_name(fetching.filename(asked, media_type, frozenset(extensions | blocked)))
    return file


@contextmanager
def _written(name: str) -> Iterator[ReceivedFile]:
    """A file to be written; gone where that fails."""
    file = named_file(name)
    try:
        yield file
        file.finish(file.tell())
    except BaseException:
        file.close()
        raise


def _source(source: dict[str, Any]) -> Source:
    return Source(source["url"], source.get("headers", {}))


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise ValidationError({"wait": ["Name a number of seconds."]}, code="invalid")
    return min(max(found, 0.0), LONGEST_WAIT)
