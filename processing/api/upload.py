"""`POST /api/v2/upload`: store a document once, ask about it often."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.uploads import FileViewSet, ReceivedFile
from processing.documents import intake
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput
from processing.runtime.configuration import current
from processing.runtime.parameters import Parameters


class UploadSerializer(serializers.Serializer[Any]):
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


class UploadViewSet(FileViewSet):
    """Storing documents."""

    @extend_schema(
        operation_id="upload",
        summary="Store a document",
        request={"multipart/form-data": UploadSerializer},
        responses={201: StoredDocumentSerializer, "4XX": ProblemSerializer, "5XX": ProblemSerializer},
    )
    def create(self, request: Request) -> Response:
        """The same bytes under the same name give the same `file_id`."""
        self.require_means(request)
        file = request.FILES.get("file")
        if not isinstance(file, ReceivedFile):
            raise ValidationError({"file": ["Send the document as a file."]}, code="file_required")
        document = take_in(caller(request), file, current().parameters)
        return Response(_shown(document), status=status.HTTP_201_CREATED)


def take_in(owner: User, file: ReceivedFile, parameters: Parameters) -> StoredDocument:
    """Keep the file, or say what is wrong with it."""
    if not file.size:
        raise InvalidInput("The file is empty.", "empty_file")
    rules = intake.Rules(parameters.supported_formats, parameters.blocked_extensions, parameters.files_kept_for)
    return intake.take_in(owner, file, file.sha256, rules)


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
