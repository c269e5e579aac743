"""The status of a task as the tutorial would have it: a ModelViewSet and a ModelSerializer, nothing else."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.viewsets import ModelViewSet

from processing.api.status import COLUMNS, StatusViewSet
from processing.tasks.models import Task


class PlainTaskSerializer(serializers.ModelSerializer[Task]):
    """The same columns that a status read takes."""

    class Meta:
        model = Task
        fields = COLUMNS


class PlainTaskViewSet(ModelViewSet[Task]):
    """The caller's own tasks, with the project's authentication and permissions, and without its limits."""

    queryset = Task.objects.none()
    throttle_classes = []
    serializer_class = PlainTaskSerializer
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Task]:
        return Task.objects.filter(owner_id=self.request.user.pk)


class UnlimitedStatusViewSet(StatusViewSet):
    """The service's own, without limits."""

    throttle_classes = []
