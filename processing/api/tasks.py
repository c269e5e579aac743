"""`/api/v2/tasks`: the caller's own tasks, one of them, and its end."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import JsonResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from processing.access import budgets
from processing.access.models import ApiKey
from processing.api import events, waiting
from processing.api import status as status_resource
from processing.api.actors import actor
from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.usage import account
from processing.errors import AccessDenied
from processing.operations import erasure
from processing.queue import submit
from processing.runtime.configuration import current
from processing.tasks import lifecycle
from processing.tasks.models import Status, Task

_PLACE = re.compile("[0-9]{1,19}")  # a `seq`
_EVENTS = """Server-sent events until the task has ended:

- `status`: `{"task_id", "status", "attempts"}`, when it is put in line and when work begins;
- `progress`: `{"progress", "step", "page", "pages"}`, for each page and each step; `progress` is in percent, `page` and
  `pages` may be null;
- `delta`: `{"text", "reset"}`, a piece of the answer as the model writes it; with `"reset": true`, what came before
  it does not count any more;
- `done`: the body of `GET /api/v2/status/{task_id}`, and with it the stream ends.

Every event but the comments that keep the connection alive has an id, by which a stream that broke off is resumed. A
task that ended a while ago has its `done` alone."""


class TaskListItemSerializer(serializers.ModelSerializer[Task]):
    """A task without its answer."""

    task_id = serializers.UUIDField(source="id")
    created_at = serializers.SerializerMethodField()
    completed_at = serializers.SerializerMethodField()

    class Meta:
        model = Task
        fields = (
            "task_id", "status", "progress", "step", "model", "filename", "pages", "error", "error_type",
            "error_code", "attempts", "created_at", "completed_at",
        )  # fmt: skip

    def get_created_at(self, task: Task) -> float:
        """Unix seconds."""
        return task.created_at.timestamp()

    def get_completed_at(self, task: Task) -> float | None:
        """Unix seconds."""
        return task.completed_at.timestamp() if task.completed_at else None


class CancelledSerializer(serializers.Serializer[Any]):
    """The end of a task."""

    message = serializers.CharField()
    task_id = serializers.UUIDField()
    timestamp = serializers.FloatField()


class EndSerializer(serializers.Serializer[Any]):
    """How a task is to end."""

    erase = serializers.BooleanField(
        default=False,
        help_text="Erase the task for good, whatever its state: with its document, its reading, its answer and every "
        "stored copy. Other tasks that wait for the same document end with `document_gone`.",
    )


class RetriedSerializer(serializers.Serializer[Any]):
    """A task that is in line again."""

    message = serializers.CharField()
    task_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["queued", "processing"])
    position = serializers.IntegerField(allow_null=True)
    estimated_time = serializers.FloatField(allow_null=True, help_text="Seconds until it is done.")
    timestamp = serializers.FloatField(help_text="Unix seconds.")


class NewestFirst(CursorPagination):
    """By the order of arrival; `next` and `previous` are links, null at the ends."""

    ordering = "-seq"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Any:
        """As DRF, which looks at everything in a cursor but the place that it names."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not _PLACE.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class TaskViewSet(GenericViewSet[Task]):
    """The caller's own tasks."""

    polled = ("retrieve", "watch")
    serializer_class = TaskListItemSerializer
    pagination_class = NewestFirst
    lookup_field = "id"
    lookup_url_kwarg = "task_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    queryset = Task.objects.none()

    def get_queryset(self) -> QuerySet[Task]:
        """Own tasks alone, without the columns that a list does not show."""
        own = Task.objects.filter(owner=caller(self.request)).defer("result", "prompt", "options")
        batch = self.request.query_params.get("batch")
        if batch:
            try:
                own = own.filter(batch__id=uuid.UUID(batch))
            except ValueError:
                raise ValidationError({"batch": ["This is no id of a batch."]}) from None
        wanted = self.request.query_params.get("status")
        if not wanted:
            return own
        if wanted not in Status.values:
            raise ValidationError({"status": [f"Choose from {', '.join(Status.values)}."]})
        return own.filter(status=wanted)

    @extend_schema(
        operation_id="tasks",
        summary="List the caller's tasks, newest first",
        parameters=[
            OpenApiParameter("status", enum=Status.values),
            OpenApiParameter("batch", OpenApiTypes.UUID, description="The items of this batch alone."),
        ],
        responses={200: TaskListItemSerializer(many=True), "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        """One page of the list."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="task",
        summary="Read one task",
        parameters=[waiting.WaitSerializer],
        responses={200: status_resource.TaskStatusSerializer, "4XX": ProblemSerializer},
    )
    def retrieve(self, request: Request, task_id: str) -> JsonResponse:
        """The same as `/api/v2/status/{task_id}`."""
        return status_resource.read(request, task_id)

    @extend_schema(
        operation_id="task_events",
        summary="Watch a task",
        description=_EVENTS,
        parameters=[
            events.ResumeSerializer,
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="As `last_event_id`."),
        ],
        responses={
            (200, events.MEDIA_TYPE): OpenApiResponse(OpenApiTypes.STR, description="The stream."),
            204: OpenApiResponse(description="The task has ended, and the caller has seen its end."),
            "4XX": ProblemSerializer,
            "5XX": ProblemSerializer,
        },
    )
    @action(
        detail=True, methods=["get"], url_path="events", url_name="events", content_negotiation_class=events.AnyAccept
    )
    def watch(self, request: Request, task_id: str) -> HttpResponseBase:
        """A stream of server-sent events."""
        return events.stream(request, task_id)

    @extend_schema(
        operation_id="cancel",
        summary="Cancel a task, or erase it",
        parameters=[EndSerializer],
        responses={
            200: CancelledSerializer,
            204: OpenApiResponse(description="Erased (`erase=true`)."),
            "4XX": ProblemSerializer,
        },
    )
    def destroy(self, request: Request, task_id: str) -> Response:
        """Stop it: work that has begun ends within two seconds. With `erase=true`, nothing is left of it."""
        wanted = status_resource.identifier(task_id)
        asked = EndSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        if asked.validated_data["erase"]:
            erasure.erase_task(caller(request).pk, wanted, actor(request))
            return Response(status=204)
        ended = lifecycle.cancel(caller(request).pk, wanted, actor(request))
        return Response({"message": "The task is cancelled.", "task_id": str(wanted), "timestamp": ended.timestamp()})

    def _require_own(self, request: Request, key: ApiKey, wanted: uuid.UUID) -> None:
        """That the task was sent with this key: it would run on the budget and with the models of that which sent it.
        Raises `AccessDenied` (`other_key`)."""
        if Task.objects.filter(owner=caller(request), id=wanted).exclude(api_key=key).exists():
            raise AccessDenied("This task was not sent with this key. Sign in to try it again.", "other_key")

    @extend_schema(
        operation_id="retry",
        summary="Try a failed or cancelled task again",
        request=None,
        responses={200: RetriedSerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    @action(detail=True, methods=["post"], url_path="retry")
    def retry(self, request: Request, task_id: str) -> Response:
        """The same task, with the same document and prompt, is put back in line with all its attempts before it. What
        refuses a new task refuses this too."""
        wanted = status_resource.identifier(task_id)
        if isinstance(request.auth, ApiKey):
            self._require_own(request, request.auth, wanted)
        budgets.allowance(account(request)).require_tokens()
        _task, place = submit.retry(caller(request).pk, wanted, actor(request), current().parameters)
        return Response(
            {
                "message": "The task is tried again.",
                "task_id": str(wanted),
                "status": "processing" if place.position is None else "queued",
                "position": place.position,
                "estimated_time": place.estimated_time,
                "timestamp": time.time(),
            }
        )
