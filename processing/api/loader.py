"""`PUT /api/v2/process`: Open WebUI's external document loader sends a document as it is and waits for its pages."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any
from urllib.parse import unquote_to_bytes

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processing.api import throttling, waiting
from processing.api.authentication import caller
from processing.api.conversions import one_failed, who
from processing.api.errors import ProblemSerializer
from processing.api.requests import request_id
from processing.api.upload import take_in
from processing.api.uploads import FileViewSet, receive_raw
from processing.delivery import awaiting, conversions
from processing.delivery.conversions import Converting, Wanted
from processing.errors import DeadlineExceeded
from processing.pipeline.conversion import Conversion
from processing.queue import admission
from processing.runtime.configuration import current
from processing.tasks.models import Task

# What Open WebUI puts before the name: its own id of the file.
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}_")
_MAX_NAME = 4000  # characters, as it was sent


class PageMetadataSerializer(serializers.Serializer[Any]):
    """Where the text of a page comes from."""

    page = serializers.IntegerField()
    total_pages = serializers.IntegerField()
    source = serializers.CharField(help_text="The file name.")  # type: ignore[assignment]
    filename = serializers.CharField()
    type = serializers.CharField(help_text="Media type.")
    task_id = serializers.UUIDField()


class LoadedPageSerializer(serializers.Serializer[Any]):
    """One page."""

    page_content = serializers.CharField(help_text="Markdown; empty for a page without text.")
    metadata = PageMetadataSerializer()


class Loader(FileViewSet):
    """Reading a document for a program that splits and indexes it by itself."""

    @extend_schema(
        operation_id="load",
        summary="Read a document's pages (Open WebUI's external document loader)",
        description="The body is the document. No model is asked. The reading is a task like others; what takes longer "
        "than `loader_timeout` seconds is answered with 504 and goes on, so that a second try finds it read.",
        tags=["drop-in"],
        parameters=[
            OpenApiParameter(
                "X-Filename", str, OpenApiParameter.HEADER, description="The file name, percent-encoded; optional."
            )
        ],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: LoadedPageSerializer(many=True), "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def load(self, request: Request) -> Response:
        """Store the document, have it read, and reply with its pages."""
        in_force = current()
        parameters = in_force.parameters
        admission.require_room(who(request), parameters)
        self.require_means(request)
        throttling.count_upload(request, self)
        file = receive_raw(request._request, _filename(request), parameters.file_limit)
        with closing(file):
            document = take_in(caller(request), file, parameters)
        waiting.require_place(request)  # The one that it had was for what arrives.
        wanted = Wanted(
            how=Conversion(),
            pages=None,
            timeout=parameters.timeout,
            is_waited=True,
            request_id=request_id(request._request),
        )
        begun = conversions.begin(who(request), [document], wanted, in_force)
        if not awaiting.ended([task.seq for task in begun.tasks], parameters.loader_timeout):
            raise DeadlineExceeded("The document is still being read. Send it again in a while.", "reading_unfinished")
        return Response(_pages(conversions.of(caller(request).pk, begun.id)))


def _filename(request: Request) -> str:
    """As a person named the file; whatever else it is, the store makes of it what can be shown."""
    sent = str(request.META.get("HTTP_X_FILENAME", ""))[:_MAX_NAME]
    name = unquote_to_bytes(sent.encode("latin-1", "replace")).decode("utf-8", "replace")
    return _ID.sub("", name.replace("\\", "/").rpartition("/")[2], count=1)


def _pages(found: Converting) -> list[dict[str, Any]]:
    """One for each page that was read. Raises what the reading failed with."""
    (task,) = found.tasks
    if task.result is None:
        raise one_failed(task)
    content = task.result["content"]
    places = task.result["data"]["pages"]
    return [
        {"page_content": content[place["start"] : place["end"]], "metadata": _metadata(task, place["page"])}
        for place in places
    ]


def _metadata(task: Task, page: int) -> dict[str, Any]:
    return {
        "page": page,
        "total_pages": task.pages,
        "source": task.filename,
        "filename": task.filename,
        "type": task.file_type,
        "task_id": str(task.id),
    }
