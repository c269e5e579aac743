"""`/api/v2/upload`: store a document once, ask about it often; list those that are stored, and erase one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound as InvalidCursor
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from processing.access import idempotency
from processing.api import repeats
from processing.api.actors import actor
from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.uploads import FileViewSet, ReceivedFile
from processing.documents import intake
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput, NotFound
from processing.operations import erasure
from processing.runtime.configuration import current
from processing.runtime.parameters import Parameters


class PasswordSerializer(serializers.Serializer[Any]):
    """What opens the file."""

    file_password = serializers.CharField(
        required=False,
        max_length=1000,
        trim_whitespace=False,
        allow_blank=True,
        help_text="Opens an encrypted PDF or Office document, to see whether it is whole. It is not kept: `process` "
        "needs it again.",
    )


class UploadSerializer(PasswordSerializer):
    """The file."""

    file = serializers.FileField()


class StoredDocumentSerializer(serializers.Serializer[Any]):
    """A stored document."""

    file_id = serializers.UUIDField()
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    type = serializers.CharField(help_text="Media type.")
    checksum = serializers.CharField(help_text="`sha256:` and the digest in hex.")
    pages = serializers.IntegerField(allow_null=True)
    created_at = serializers.FloatField()
    expires_at = serializers.FloatField(allow_null=True)


class StoredDocumentListSerializer(serializers.Serializer[Any]):
    """A page of them."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = StoredDocumentSerializer(many=True)


class LatestFirst(CursorPagination):
    """By the time they came; `next` and `previous` are links, null at the ends."""

    ordering = ("-created_at", "id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Any:
        """As DRF, which looks at everything in a cursor but the place that it names."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not _is_moment(str(cursor.position)):
            raise InvalidCursor(self.invalid_cursor_message)
        return cursor


class UploadViewSet(FileViewSet):
    """Storing documents."""

    lookup_url_kwarg = "file_id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    @extend_schema(
        operation_id="uploads",
        summary="List the caller's stored documents, newest first",
        parameters=[
            OpenApiParameter("cursor", str, description="From `next` or `previous`."),
            OpenApiParameter("page_size", int),
        ],
        responses={200: StoredDocumentListSerializer, "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        """One page of the list."""
        pages = LatestFirst()
        page = pages.paginate_queryset(StoredDocument.objects.filter(owner=caller(request)), request, self)
        return pages.get_paginated_response([_shown(document) for document in page or []])

    @extend_schema(
        operation_id="uploaded",
        summary="Read what is known of a stored document",
        responses={200: StoredDocumentSerializer, "4XX": ProblemSerializer},
    )
    def retrieve(self, request: Request, file_id: str) -> Response:
        """What its upload was answered with."""
        document = StoredDocument.objects.filter(owner=caller(request), pk=_identifier(file_id)).first()
        if document is None:
            raise _not_found()
        return Response(_shown(document))

    @extend_schema(
        operation_id="erase_upload",
        summary="Erase a stored document",
        description="Its bytes, its readings and the stored answers go for good. Tasks that wait for it end with "
        "`document_gone`; tasks that have ended keep their answers.",
        responses={204: None, "4XX": ProblemSerializer},
    )
    def destroy(self, request: Request, file_id: str) -> Response:
        """Nothing is left of it but the answers of tasks."""
        erasure.erase_document(caller(request).pk, _identifier(file_id), actor(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="upload",
        summary="Store a document",
        request={"multipart/form-data": UploadSerializer},
        parameters=[repeats.PARAMETER],
        responses={201: StoredDocumentSerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def create(self, request: Request) -> Response:
        """The same bytes under the same name give the same `file_id`."""
        key = repeats.key_of(request)
        self.require_means(request)
        content = repeats.digest(request, self.digests)
        with idempotency.attempt(caller(request).pk, key, content) as attempt:
            if attempt.earlier is not None:
                return repeats.replayed(attempt.earlier, dict, status.HTTP_201_CREATED)
            document = self._stored(request)
            response = Response(_shown(document), status=status.HTTP_201_CREATED)
            return repeats.kept(attempt, response, document.pk)

    def _stored(self, request: Request) -> StoredDocument:
        file = request.FILES.get("file")
        if not isinstance(file, ReceivedFile):
            raise ValidationError({"file": ["Send the document as a file."]}, code="file_required")
        password = PasswordSerializer(data=request.data)
        password.is_valid(raise_exception=True)
        return take_in(caller(request), file, current().parameters, password.validated_data.get("file_password"))


def take_in(owner: User, file: ReceivedFile, parameters: Parameters, password: str | None = None) -> StoredDocument:
    """Keep the file, or say what is wrong with it."""
    if not file.size:
        raise InvalidInput("The file is empty.", "empty_file")
    rules = intake.Rules(
        parameters.supported_formats, parameters.blocked_extensions, parameters.files_kept_for, password or None
    )
    return intake.take_in(owner, file, file.sha256, rules)


def _identifier(file_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(file_id)
    except ValueError:
        raise _not_found() from None


def _not_found() -> NotFound:
    return NotFound("There is no such file.", "file_not_found")


def _is_moment(place: str) -> bool:
    """Whether a database can compare it with a time."""
    try:
        moment = datetime.fromisoformat(place)
        return moment.tzinfo is not None and moment.astimezone(UTC) is not None
    except (ValueError, OverflowError):
        return False


def _shown(document: StoredDocument) -> dict[str, Any]:
    return {
        "file_id": str(document.id),
        "filename": document.filename,
        "size": document.size,
        "type": document.media_type,
        "checksum": f"sha256:{document.sha256}",
        "pages": document.pages,
        "created_at": document.created_at.timestamp(),
        "expires_at": document.expires_at.timestamp() if document.expires_at else None,
    }
