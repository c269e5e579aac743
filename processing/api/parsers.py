"""How bodies are read where Django's and Django REST framework's own ways leave something to be wished for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousMultipartForm
from django.core.files.uploadhandler import FileUploadHandler
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class BoundedJSONParser(JSONParser):
    """JSON, whose nesting may be no deeper than Python's own reader goes: more is the caller's error, not ours."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error


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
