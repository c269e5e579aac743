"""`GET /api/v2/status/{task_id}`: the most frequent request, served from one row without building a model."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.http import JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from processing.api import waiting
from processing.api.errors import ProblemSerializer
from processing.delivery.watching import Watch
from processing.errors import NotFound
from processing.queue.submit import position_of
from processing.runtime.capacity import memory_usage
from processing.tasks.models import FINAL, Status, Task

COLUMNS = (
    "seq", "id", "priority", "status", "progress", "step", "result", "error", "error_type", "error_code",
    "created_at", "started_at", "completed_at", "model", "model_used", "filename", "file_size", "file_type",
    "pages", "task_peak_mb", "attempts",
)  # fmt: skip
# Clients poll: the query is written once, not built anew at each read, which takes a quarter of the time.
_READ = f"SELECT {', '.join(COLUMNS)} FROM {Task._meta.db_table} WHERE id = %s AND owner_id = %s"  # noqa: S608


class FileInfoSerializer(serializers.Serializer[Any]):
    """The document of a task."""

    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    type = serializers.CharField(help_text="Media type.")
    pages = serializers.IntegerField(allow_null=True)


class CitationSerializer(serializers.Serializer[Any]):
    """A passage that stands verbatim on its page."""

    page = serializers.IntegerField(help_text="As a person counts them, from 1.")
    text = serializers.CharField(help_text="Word for word as it stands there.")
    score = serializers.FloatField(help_text="From 0 to 1: how much it has in common with what the answer says.")


class ResultSerializer(serializers.Serializer[Any]):
    """The answer."""

    content = serializers.CharField(help_text="The answer; never empty.")
    model_used = serializers.CharField(help_text="The model that answered, which may have stood in for another.")
    file_info = FileInfoSerializer()
    processing_metadata = serializers.DictField(help_text="How it was read and asked: pages, ways, tokens, seconds.")
    citations = CitationSerializer(many=True)
    data = serializers.JSONField(allow_null=True, help_text="What fits `response_schema`.")  # type: ignore[assignment]


class TaskMemorySerializer(serializers.Serializer[Any]):
    """Memory of the host, and the most that this task took."""

    used_percent = serializers.FloatField()
    available_mb = serializers.FloatField()
    total_mb = serializers.FloatField()
    task_peak_mb = serializers.FloatField(allow_null=True, help_text="The most that the task has taken.")


class TaskStatusSerializer(serializers.Serializer[Any]):
    """A task and where it stands. Times are Unix seconds."""

    task_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    progress = serializers.FloatField(min_value=0, max_value=100, help_text="Percent.")
    step = serializers.CharField(help_text="What it is doing, in words.")
    position = serializers.IntegerField(allow_null=True, help_text="Its place in line, from 1; null outside of it.")
    result = ResultSerializer(allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="Why it failed, for a person.")
    error_type = serializers.CharField(allow_null=True)
    error_code = serializers.CharField(allow_null=True, help_text="The same for a program, stable.")
    created_at = serializers.FloatField()
    started_at = serializers.FloatField(allow_null=True)
    completed_at = serializers.FloatField(allow_null=True)
    processing_time = serializers.FloatField(allow_null=True, help_text="Seconds.")
    model_used = serializers.CharField(allow_null=True)
    file_info = FileInfoSerializer()
    memory_usage = TaskMemorySerializer()
    attempts = serializers.IntegerField(help_text="How often a worker has taken it up.")


class StatusViewSet(ViewSet):
    """Where a task stands."""

    polled = ("retrieve",)
    lookup_url_kwarg = "task_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    @extend_schema(
        operation_id="status",
        summary="Read a task's state and, once completed, its answer",
        parameters=[waiting.WaitSerializer],
        responses={200: TaskStatusSerializer, "4XX": ProblemSerializer},
    )
    def retrieve(self, request: Request, task_id: str) -> JsonResponse:
        """The state of one of the caller's own tasks; with `wait`, once it has ended or the time is over."""
        return read(request, task_id)


def read(request: Request, task_id: str) -> JsonResponse:
    """The caller's task, after the wait that was asked for. Raises `NotFound`."""
    task = own_task(request, task_id)
    seconds = waiting.wanted(request)
    if seconds and task.status not in FINAL:
        WATCH.until_end(task.seq, seconds)
        task = own_task(request, task_id)
    return JsonResponse(shown(task))


def own_task(request: Request, task_id: str) -> Task:
    """The caller's task, with `COLUMNS` loaded. Raises `NotFound`, for a stranger's too."""
    wanted = Task._meta.get_field("id").get_db_prep_value(identifier(task_id), connection)
    task = next(iter(Task.objects.raw(_READ, [wanted, request.user.pk])), None)
    if task is None:
        raise NotFound("There is no such task.", "task_not_found")
    return task


def identifier(task_id: str) -> uuid.UUID:
    """The task's id out of its path. Raises `NotFound` for what cannot be one."""
    try:
        return uuid.UUID(task_id)
    except ValueError:
        raise NotFound("There is no such task.", "task_not_found") from None


def shown(task: Task) -> dict[str, Any]:
    """The body of contract 2.2."""
    started, completed = task.started_at, task.completed_at
    memory = memory_usage()
    return {
        "task_id": str(task.id),
        "status": task.status,
        "progress": task.progress,
        "step": task.step,
        "position": position_of(task.seq, task.priority) if task.status == Status.QUEUED else None,
        "result": task.result,
        "error": task.error or None,
        "error_type": task.error_type or None,
        "error_code": task.error_code or None,
        "created_at": task.created_at.timestamp(),
        "started_at": started.timestamp() if started else None,
        "completed_at": completed.timestamp() if completed else None,
        "processing_time": round((completed - started).total_seconds(), 3) if completed and started else None,
        "model_used": task.model_used or None,
        "file_info": {
            "filename": task.filename,
            "size": task.file_size,
            "type": task.file_type,
            "pages": task.pages,
        },
        "memory_usage": {
            "used_percent": memory.used_percent,
            "available_mb": memory.available_mb,
            "total_mb": memory.total_mb,
            "task_peak_mb": task.task_peak_mb,
        },
        "attempts": task.attempts,
    }


def ended(seq: int) -> dict[str, Any] | None:
    """A task that has ended, as it is shown; None where it has not, or is gone."""
    task = Task.objects.filter(seq=seq).only(*COLUMNS).first()
    return None if task is None or task.status not in FINAL else shown(task)


def _body(seq: int) -> str | None:
    """The same for those who watch it, as JSON."""
    body = ended(seq)
    return None if body is None else json.dumps(body, cls=DjangoJSONEncoder)


WATCH = Watch(_body)  # all that this process watches
