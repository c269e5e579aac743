"""How bodies are read where Django's and Django REST framework's own ways leave something to be wished for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousMultipartForm
from django.core.files.uploadhandler import FileUploadHandler
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from processing.runtime import strict_json


class BoundedJSONParser(JSONParser):
    """JSON of bounded size and depth, in which no name comes twice. The rest is the caller's error, not ours."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Raises `ParseError`, `InvalidInput` (`duplicate_key`) and `RequestDataTooBig`."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            return strict_json.loads(body)
        except strict_json.MalformedJsonError as error:
            raise ParseError from error


class NoFiles(FileUploadHandler):
    """Refuses every file: views that take one say so with a handler of their own.

    Django's handlers would write what anybody sends to the login form to disk, as much as comes.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SuspiciousMultipartForm("A file was sent where none is taken.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Never called: `new_file` comes first."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Never called, either."""
