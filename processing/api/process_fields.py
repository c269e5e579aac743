"""The fields of a submission, and of the reply to it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from processing.api.status import TaskStatusSerializer
from processing.api.uploads import ReceivedFile
from processing.delivery.webhooks import targets
from processing.pipeline import page_ranges, schema
from processing.runtime.parameters import MAX_PROMPT_LENGTH, MIN_PROMPT_LENGTH
from processing.tasks.models import Status


def allowed_webhook_url(value: str) -> str:
    """The URL, for a serializer's field: raises `ValidationError` (`webhook_url_not_allowed`)."""
    try:
        return targets.require_allowed(value)
    except targets.URLNotAllowed as error:
        raise serializers.ValidationError(error.detail, code=error.code) from error


class ProcessSerializer(serializers.Serializer[Any]):
    """What `POST /api/v2/process` takes. Fields that are not listed are accepted and named in `ignored_fields`."""

    file = serializers.FileField(
        required=False, allow_empty_file=True, max_length=1000, help_text="The document. Send it, or `file_id`."
    )
    file_id = serializers.UUIDField(required=False, help_text="An earlier upload, in place of `file`.")
    file_password = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=1000,
        help_text="Opens an encrypted PDF or Office document; kept encrypted until the task is completed, and shown "
        "nowhere.",
    )
    prompt = serializers.CharField(
        min_length=MIN_PROMPT_LENGTH, max_length=MAX_PROMPT_LENGTH, help_text="The question, or what to do."
    )
    model = serializers.CharField(
        required=False, max_length=200, allow_blank=True, help_text="Without it, the default model answers."
    )
    temperature = serializers.FloatField(
        required=False, min_value=0, max_value=2, help_text="In place of the model's own; 0 means 0."
    )
    max_tokens = serializers.IntegerField(
        required=False, min_value=1, max_value=32_000, help_text="Tokens that the answer may have."
    )
    vision_mode = serializers.ChoiceField(
        choices=["auto", "force_vision", "force_text"],
        required=False,
        help_text="Whether pages go to a model that sees as pictures; `auto` decides page by page.",
    )
    pdf_extract_images = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="`false`: a figure on a page is no reason to show it as a picture.",
    )
    rag_full_context = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="`true`: what does not fit the model is asked about part by part; `false`: passages are chosen.",
    )
    bypass_embedding_and_retrieval = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="`true`: the same as `rag_full_context=true`.",
    )
    enable_hybrid_search = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Accepted and without effect: passages are ranked by their words.",
    )
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=1000, help_text="Passages that are chosen.")
    chunk_size = serializers.IntegerField(
        required=False, min_value=1, max_value=1_000_000, help_text="Characters of a passage."
    )
    chunk_overlap = serializers.IntegerField(
        required=False, min_value=0, max_value=1_000_000, help_text="Characters that two pieces of one paragraph share."
    )
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

    webhook_url = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=targets.MAX_LENGTH,
        help_text="Where the end of the task is told, by a signed POST (Standard Webhooks).",
    )

    def validate_webhook_url(self, value: str) -> str:
        """That webhooks may go there."""
        return allowed_webhook_url(value) if value else ""

    stream = serializers.BooleanField(
        required=False,
        default=False,
        help_text="`true`: the reply is the stream of the task's events, and its first event, `accepted`, has the "
        "fields of the usual reply.",
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
    """The accepted task. With `Prefer: wait=N`, and if it has ended in time, also all fields of its status."""

    task_id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=Status.choices, help_text="`queued` or `processing`; after a wait, also how the task has ended."
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

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With those of a task that has ended."""
        own = super().get_fields()
        ended = TaskStatusSerializer().get_fields()
        for field in ended.values():
            field.required = False
        return {**ended, **own}
