"""The fields of a submission, and of the reply to it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from processing.api.uploads import ReceivedFile
from processing.pipeline import page_ranges, schema
from processing.runtime.parameters import MAX_PROMPT_LENGTH, MIN_PROMPT_LENGTH


class ProcessSerializer(serializers.Serializer[Any]):
    """What `POST /api/v2/process` takes. Fields that are not listed are accepted and named in `ignored_fields`."""

    file = serializers.FileField(required=False, allow_empty_file=True, max_length=1000)
    file_id = serializers.UUIDField(required=False, help_text="An earlier upload, in place of `file`.")
    file_password = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=1000,
        help_text="Opens an encrypted PDF; kept encrypted until the task is completed, and shown nowhere.",
    )
    prompt = serializers.CharField(
        min_length=MIN_PROMPT_LENGTH, max_length=MAX_PROMPT_LENGTH, help_text="The question, or what to do."
    )
    model = serializers.CharField(required=False, max_length=200, allow_blank=True)
    temperature = serializers.FloatField(required=False, min_value=0, max_value=2)
    max_tokens = serializers.IntegerField(required=False, min_value=1, max_value=32_000)
    vision_mode = serializers.ChoiceField(choices=["auto", "force_vision", "force_text"], required=False)
    pdf_extract_images = serializers.BooleanField(required=False, default=None, allow_null=True)
    rag_full_context = serializers.BooleanField(required=False, default=None, allow_null=True)
    bypass_embedding_and_retrieval = serializers.BooleanField(required=False, default=None, allow_null=True)
    enable_hybrid_search = serializers.BooleanField(required=False, default=None, allow_null=True)
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    chunk_size = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000)
    chunk_overlap = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    skip_cache = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="`true`: read and answer anew, whatever is stored; what comes of it takes its place.",
    )

    pages = serializers.CharField(
        required=False, max_length=page_ranges.MAX_LENGTH, help_text="The pages to read, such as `1-3,7` or `5-`."
    )
    response_schema = serializers.CharField(
        required=False,
        max_length=schema.MAX_BYTES,
        trim_whitespace=True,
        help_text="A JSON Schema (2020-12), as JSON; the answer is then data that fits it, in `result.data`.",
    )

    dedupe = serializers.BooleanField(
        default=True,
        help_text="`false`: begin a task even where the same was sent within the last 30 seconds.",
    )

    def validate_pages(self, value: str) -> str:
        """That it can be read; what the document has is seen when it is there."""
        try:
            page_ranges.parse(value)
        except page_ranges.BadPages as error:
            raise serializers.ValidationError(str(error), code="invalid_pages") from error
        return value

    def validate_response_schema(self, value: str) -> dict[str, Any]:
        """The schema itself."""
        try:
            return schema.parse(value)
        except schema.BadSchema as error:
            raise serializers.ValidationError(str(error), code="invalid_schema") from error

    def validate_temperature(self, value: float) -> float:
        """NaN passes every comparison; refuse it here."""
        if value != value:
            raise serializers.ValidationError("A valid number is required.", code="invalid")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one document: a file of this request, or an earlier one."""
        file = attrs.get("file")
        if file is None and attrs.get("file_id") is None:
            raise serializers.ValidationError({"file": "Send a file, or the file_id of one."}, code="file_required")
        if file is not None and attrs.get("file_id") is not None:
            raise serializers.ValidationError({"file_id": "Send either file or file_id."}, code="file_given_twice")
        if file is not None and not isinstance(file, ReceivedFile):
            raise serializers.ValidationError({"file": "Send the document as a file."}, code="file_required")
        return attrs


class ProcessReplySerializer(serializers.Serializer[Any]):
    """The accepted task."""

    task_id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=["queued", "processing", "completed", "failed", "cancelled"],
        help_text="A new task is `queued` or `processing`; one that was submitted before may have ended.",
    )
    message = serializers.CharField()
    position = serializers.IntegerField(allow_null=True)
    estimated_time = serializers.FloatField(allow_null=True, help_text="Seconds.")
    config_applied = serializers.DictField()
    created_at = serializers.FloatField(help_text="Unix seconds.")
    ignored_fields = serializers.ListField(child=serializers.CharField())
    deduplicated = serializers.BooleanField(
        help_text="Whether the same was sent within the last 30 seconds, and this is the task of that."
    )
