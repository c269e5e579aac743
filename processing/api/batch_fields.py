"""The fields of a batch, of its items, and of the replies about it."""

from __future__ import annotations

import json
from typing import Any

from rest_framework import serializers

from processing.api.process_fields import ProcessSerializer
from processing.delivery.batches import Standing
from processing.tasks.models import Status

_SHOWN = 100  # refused items that a reply names; the results name all of them


class BatchSerializer(ProcessSerializer):
    """What `POST /api/v2/batches` takes: `files` and one `prompt`, or `items`. The options hold for all items."""

    file = None  # type: ignore[assignment]
    stream = None  # type: ignore[assignment]
    file_id = None  # type: ignore[assignment]
    files = serializers.ListField(child=serializers.FileField(), required=False, help_text="The documents.")
    items = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="JSON Lines, as a field or a file: each line an object with `file_id`, or with `file`, the name of a "
        "part of this form or of its file, and with a prompt and options of its own, which come before the shared.",
    )
    prompt = serializers.CharField(
        required=False, min_length=5, max_length=4000, help_text="For all that have none of their own."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The documents are looked at one by one."""
        return attrs


class BatchItemSerializer(ProcessSerializer):
    """One line of `items`, together with what is shared."""

    file = serializers.CharField(required=False, max_length=1000)  # type: ignore[assignment]
    stream = None  # type: ignore[assignment]
    dedupe = None  # type: ignore[assignment]

    def to_internal_value(self, data: Any) -> Any:
        """A schema may stand in a line as what it is."""
        schema = data.get("response_schema")
        return super().to_internal_value(
            {**data, "response_schema": json.dumps(schema)} if isinstance(schema, (dict, bool)) else data
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one document."""
        if (attrs.get("file") is None) == (attrs.get("file_id") is None):
            raise serializers.ValidationError({"file": "Name either a file or a file_id."}, code="file_required")
        return attrs


class RefusedSerializer(serializers.Serializer[Any]):
    """An item that made no task."""

    line = serializers.IntegerField()
    file = serializers.CharField()
    error = serializers.CharField()
    error_type = serializers.CharField()
    error_code = serializers.CharField()


class CountsSerializer(serializers.Serializer[Any]):
    """Items by state."""

    queued = serializers.IntegerField()
    processing = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Those refused at once among them.")
    cancelled = serializers.IntegerField()


class BatchStandingSerializer(serializers.Serializer[Any]):
    """A batch and how it stands. Times are Unix seconds."""

    batch_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    total = serializers.IntegerField()
    counts = CountsSerializer()
    progress = serializers.FloatField(min_value=0, max_value=100)
    cost = serializers.FloatField(allow_null=True, help_text="US dollars so far; null: no price is known.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    refused = RefusedSerializer(many=True, help_text=f"The first {_SHOWN} of them.")
    created_at = serializers.FloatField()
    completed_at = serializers.FloatField(allow_null=True, help_text="When the last item first had ended.")


class BatchReplySerializer(BatchStandingSerializer):
    """A batch that was taken."""

    message = serializers.CharField()
    deduplicated = serializers.BooleanField(
        help_text="Whether the same was sent within the last 30 seconds, and this is the batch of that."
    )
    ignored_fields = serializers.ListField(child=serializers.CharField())


class BatchListSerializer(serializers.Serializer[Any]):
    """A page of them."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = BatchStandingSerializer(many=True)


class BatchCancelledSerializer(serializers.Serializer[Any]):
    """The end of a batch."""

    message = serializers.CharField()
    batch_id = serializers.UUIDField()
    cancelled = serializers.IntegerField(help_text="Items that had not ended.")
    timestamp = serializers.FloatField()


def shown(standing: Standing) -> dict[str, Any]:
    """The body of `BatchStandingSerializer`."""
    batch = standing.batch
    return {
        "batch_id": str(batch.id),
        "status": str(standing.status),
        "total": batch.total,
        "counts": standing.counts,
        "progress": standing.progress,
        "cost": None if standing.cost is None else float(standing.cost),
        "input_tokens": standing.input_tokens,
        "output_tokens": standing.output_tokens,
        "refused": batch.refused[:_SHOWN],
        "created_at": batch.created_at.timestamp(),
        "completed_at": batch.completed_at.timestamp() if batch.completed_at else None,
    }
