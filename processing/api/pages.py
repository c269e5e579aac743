"""`/api/v2/tasks/{task_id}/pages/{number}.png` and `.json`: where on a page stands what the answer rests on."""

from __future__ import annotations

import threading
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.negotiation import OptionsInJson
from processing.api.status import identifier
from processing.errors import NotFound, ServiceUnavailable
from processing.pipeline.page_view import MarkedPage, page_view
from processing.runtime.configuration import current
from processing.tasks.models import Task

MAX_SIDE = 3000
_AT_ONCE = threading.BoundedSemaphore(
    4
)  # pages that a process has shown to it: each is a child's work, of a second or many
_TURN = 10.0  # seconds that a request waits for its turn
_COME_BACK = 5  # seconds
_SIDE = OpenApiParameter("side", int, description=f"The longer side in pixels, 64 to {MAX_SIDE}; 1200 without.")


class PngRenderer(BaseRenderer):
    """Only says that the view has PNG pictures to offer; it makes them itself."""

    media_type = "image/png"
    format = "png"
    charset = None
    render_style = "binary"

    def render(self, data: Any, *_: Any, **__: Any) -> Any:
        return data


class SideSerializer(serializers.Serializer[Any]):
    """How large the picture is to be."""

    side = serializers.IntegerField(min_value=64, max_value=MAX_SIDE, default=1200)


class RectangleSerializer(serializers.Serializer[Any]):
    """A part of a page, from its left upper corner, as shares of its width and height."""

    left = serializers.FloatField(min_value=0, max_value=1)
    top = serializers.FloatField(min_value=0, max_value=1)
    right = serializers.FloatField(min_value=0, max_value=1)
    bottom = serializers.FloatField(min_value=0, max_value=1)


class MarkedCitationSerializer(serializers.Serializer[Any]):
    """A citation of the answer, and where it stands; without rectangles where its place was not found."""

    text = serializers.CharField()
    score = serializers.FloatField()
    rectangles = RectangleSerializer(many=True)


class MarkedPageSerializer(serializers.Serializer[Any]):
    """What of the answer rests on this page."""

    page = serializers.IntegerField()
    citations = MarkedCitationSerializer(many=True)


class PageViewSet(OptionsInJson):
    """Pages of the caller's own tasks."""

    renderer_classes = [JSONRenderer, PngRenderer]

    @extend_schema(
        operation_id="page_picture",
        summary="See a page with the citations of the answer marked on it",
        parameters=[_SIDE],
        responses={(200, "image/png"): OpenApiTypes.BINARY, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def picture(self, request: Request, task_id: str, number: str) -> HttpResponse:
        """A PNG. PDFs and pictures have pages to be seen; other documents have none (404 `no_page_picture`)."""
        response = HttpResponse(_shown(request, task_id, number).png, content_type="image/png")
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @extend_schema(
        operation_id="page_places",
        summary="Tell where on a page the citations of the answer stand",
        responses={200: MarkedPageSerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def places(self, request: Request, task_id: str, number: str) -> Response:
        """The rectangles that the picture has marked."""
        cited = [
            {
                "text": citation["text"],
                "score": citation["score"],
                "rectangles": [dict(zip(("left", "top", "right", "bottom"), each, strict=True)) for each in rectangles],
            }
            for citation, rectangles in _shown(request, task_id, number).citations
        ]
        return Response({"page": int(number), "citations": cited})


def _shown(request: Request, task_id: str, number: str) -> MarkedPage:
    asked = SideSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    own = Task.objects.filter(owner=caller(request), id=identifier(task_id)).select_related("document")
    task = own.only("result", "document_secret", "document").first()
    if task is None:
        raise NotFound("There is no such task.", "task_not_found")
    if not _AT_ONCE.acquire(timeout=_TURN):
        raise ServiceUnavailable("Too many pages are looked at. Come back soon.", "busy", retry_after=_COME_BACK)
    try:
        return page_view(task, int(number), asked.validated_data["side"], current().parameters)
    finally:
        _AT_ONCE.release()
