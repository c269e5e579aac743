"""How bodies are read where Django's and Django REST framework's own ways leave something to be wished for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousMultipartForm
from django.core.files.uploadhandler import FileUploadHandler
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant


class BoundedJSONParser(JSONParser):
    """JSON in UTF-8, as RFC 8259 has it, that every reader understands alike.

    A name that stands twice in an object is refused: others take its first value where Python takes its last. The
    nesting may be no deeper than Python's own reader goes.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            return json.loads(
                stream.read().decode("utf-8"), parse_constant=strict_constant, object_pairs_hook=_without_doubles
            )
        except (ValueError, RecursionError) as error:
            raise ParseError("The body is no JSON.") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


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
