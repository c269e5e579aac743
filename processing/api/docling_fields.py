"""What docling-serve's clients send and what they are answered with (its v1). Options that are not listed are accepted
and change nothing."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

from rest_framework import serializers

from processing.api.uploads import FILES, MAX_FILES
from processing.delivery.fetching import MAX_URL
from processing.pipeline import page_ranges
from processing.pipeline.conversion import MAX_PAGE_BREAK

TARGETS = ["inbody", "zip"]
SOURCES = ["http", "file"]
CONVERTED = ["success", "partial_success", "skipped", "failure"]
CONVERTING = ["pending", "started", *CONVERTED]
_RANGE = re.compile(r"\s*\[?\s*(\d{1,19})\s*[,-]\s*(\d{1,19})\s*\]?\s*")
_MAX_FORMATS = 20


class Words(serializers.ListField):
    """Words, each a field of the form or all in one with commas between."""

    child = serializers.CharField(max_length=40)

    def to_internal_value(self, data: Any) -> list[str]:
        """In lower case, each once."""
        found = super().to_internal_value([data] if isinstance(data, str) else data)
        words = [word.strip().lower() for each in found for word in str(each).split(",")]
        return list(dict.fromkeys(word for word in words if word))


class OptionsSerializer(serializers.Serializer[Any]):
    """How to convert."""

    to_formats = Words(
        required=False,
        max_length=_MAX_FORMATS,
        help_text="Of `md` (the default), `json`, `html`, `text`; others are told as errors.",
    )
    do_ocr = serializers.BooleanField(required=False, default=True, help_text="Recognise text where a page has none.")
    page_range = serializers.JSONField(required=False, help_text="The first page and the last, as two numbers.")
    document_timeout = serializers.FloatField(
        required=False, allow_null=True, help_text="Seconds for a document, up to the service's own `timeout`."
    )
    md_page_break_placeholder = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_PAGE_BREAK,
        help_text="What stands between two pages in the Markdown.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """A form repeats a name for each number of the range."""
        if hasattr(data, "getlist"):
            lists = ("to_formats", "page_range")
            known = [name for name in map(str, self.fields) if name in data and name != FILES]
            data = {name: data.getlist(name) if name in lists else data.get(name) for name in known}
        found: dict[str, Any] = super().to_internal_value(data)
        return found

    def validate_page_range(self, value: Any) -> str | None:
        """As `page_ranges` reads it; None for all pages."""
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        match = _RANGE.fullmatch(text)
        first, last = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= first <= last or first > page_ranges.MAX_PAGE:
            raise serializers.ValidationError("Name the first page and the last, such as 1 and 3.", "invalid_pages")
        if last < page_ranges.MAX_PAGE:
            return f"{first}-{last}"
        return None if first == 1 else f"{first}-"

    def validate_document_timeout(self, value: float | None) -> float | None:
        """NaN passes every comparison."""
        if value is not None and not (math.isfinite(value) and value > 0):
            raise serializers.ValidationError("Name a number of seconds.", "invalid")
        return value


class FilesSerializer(OptionsSerializer):
    """Documents as files of a form, with the options beside them."""

    target_type = serializers.ChoiceField(TARGETS, required=False, default="inbody")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With the files, of which the handler has taken care."""
        described = serializers.ListField(
            child=serializers.FileField(), required=False, help_text=f"1 to {MAX_FILES} documents."
        )
        return {FILES: described, **super().get_fields()}


class SourceSerializer(serializers.Serializer[Any]):
    """A document: where it lies (`http`), or itself (`file`)."""

    kind = serializers.ChoiceField(SOURCES)
    url = serializers.CharField(required=False, max_length=MAX_URL, help_text="Of `http`: on the public Internet.")
    headers = serializers.DictField(
        child=serializers.CharField(max_length=MAX_URL, allow_blank=True),
        required=False,
        help_text="Of `http`: sent with the request.",
    )
    base64_string = serializers.CharField(required=False, help_text="Of `file`: the document.")
    filename = serializers.CharField(required=False, max_length=1000, help_text="Of `file`.")

    def validate_base64_string(self, value: str) -> bytes:
        """What it stands for. Lines may be broken."""
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is no base64.", "invalid_base64") from None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What the kind needs is there."""
        needed = "url" if attrs["kind"] == "http" else "base64_string"
        if attrs.get(needed) is None:
            raise serializers.ValidationError({needed: "This is needed for a source of this kind."}, "required")
        return attrs


class TargetSerializer(serializers.Serializer[Any]):
    """In what the reply comes: JSON, or a ZIP of files."""

    kind = serializers.ChoiceField(TARGETS, default="inbody")


class SourcesSerializer(serializers.Serializer[Any]):
    """Documents by their URLs, or inside the request."""

    options = OptionsSerializer(required=False)
    sources = serializers.ListField(child=SourceSerializer(), min_length=1, max_length=MAX_FILES)
    target = TargetSerializer(required=False)


class ConvertedDocumentSerializer(serializers.Serializer[Any]):
    """A document in the formats that were asked for; null for others."""

    filename = serializers.CharField()
    md_content = serializers.CharField(allow_null=True)
    json_content = serializers.DictField(allow_null=True, help_text="A text for each page, as a DoclingDocument.")
    html_content = serializers.CharField(allow_null=True)
    text_content = serializers.CharField(allow_null=True)
    doctags_content = serializers.CharField(allow_null=True, help_text="Always null.")


class ConversionErrorSerializer(serializers.Serializer[Any]):
    """What could not be done."""

    component_type = serializers.CharField()
    module_name = serializers.CharField()
    error_message = serializers.CharField()


class ConvertedSerializer(serializers.Serializer[Any]):
    """A conversion of one document."""

    document = ConvertedDocumentSerializer()
    status = serializers.ChoiceField(CONVERTED)
    errors = ConversionErrorSerializer(many=True)  # type: ignore[assignment]
    processing_time = serializers.FloatField(help_text="Seconds.")
    timings = serializers.DictField()


class TaskMetaSerializer(serializers.Serializer[Any]):
    """How many documents."""

    num_docs = serializers.IntegerField()
    num_processed = serializers.IntegerField()
    num_succeeded = serializers.IntegerField()
    num_failed = serializers.IntegerField()


class ConversionTaskSerializer(serializers.Serializer[Any]):
    """A conversion that nobody waits for, and where it stands."""

    task_id = serializers.UUIDField()
    task_type = serializers.ChoiceField(["convert"])
    task_status = serializers.ChoiceField(CONVERTING)
    task_position = serializers.IntegerField(allow_null=True)
    task_meta = TaskMetaSerializer()
    error_message = serializers.CharField(allow_null=True)
