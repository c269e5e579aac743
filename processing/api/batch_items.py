"""What a form asks for becomes the items of a batch; what is wrong with one of them is that one's error alone."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from modelsregistry.errors import ModelError
from modelsregistry.registry import ModelEntry
from processing.access import budgets
from processing.access.model_access import asker
from processing.access.models import ApiKey
from processing.api.authentication import caller
from processing.api.batch_fields import BatchItemSerializer, BatchSerializer
from processing.api.batch_files import ITEMS, BatchUploadHandler, Part, too_many
from processing.api.errors import first_fault
from processing.api.process import chosen_model, options_in_force, require_pages, stored_document
from processing.api.requests import form, request_id
from processing.api.usage import account
from processing.delivery.batches import Item, Refused
from processing.documents import store
from processing.documents.models import StoredDocument
from processing.errors import AccessDenied, InvalidInput, NotFound
from processing.pipeline import sight
from processing.runtime import strict_json
from processing.runtime.configuration import current
from processing.tasks.lifecycle import Submission

FILES = ("files", "files[]", "file")
_LONGEST_LINE = 1024 * 1024  # bytes
_OWN_FAULTS = (InvalidInput, NotFound, AccessDenied, ModelError, ValidationError)


class Plan:
    """The items of one form, and those that are refused. Raises what is wrong with all of them."""

    def __init__(self, request: Request, uploads: BatchUploadHandler, count: Callable[[int], None]) -> None:
        """`count` is told how many documents are asked about that did not come with this form, and may refuse them."""
        self.items: list[Item] = []
        self.refused: list[Refused] = []
        self.ignored: set[str] = set()
        self._models: dict[tuple[str, str], ModelEntry] = {}
        self._request = request
        self._form = form(request)
        self._in_force = current()
        self._key = request.auth.pk if isinstance(request.auth, ApiKey) else None
        self._asker = asker(caller(request).pk, self._key)
        self._allowance = budgets.allowance(account(request))
        self._allowance.require_tokens()
        fields = BatchSerializer(data={name: value for name, value in self._form.items() if isinstance(value, str)})
        fields.fields.pop("files")
        fields.is_valid(raise_exception=True)
        self.dedupe: bool = fields.validated_data["dedupe"]
        self.webhook_url: str = fields.validated_data.get("webhook_url", "")
        self._known = set(fields.fields)
        self.ignored.update(name for name in self._form if name not in {*self._known, *FILES})
        if uploads.items is not None or ITEMS in fields.validated_data:
            self._read_lines(uploads, fields.validated_data.get(ITEMS, ""), count)
        else:
            self._ask_all(uploads.parts, fields.validated_data)
        if not self.items and not self.refused:
            raise ValidationError({"files": ["Send files, or a list of items."]}, code="file_required")

    # Several files and one prompt

    def _ask_all(self, parts: list[Part], asked: dict[str, Any]) -> None:
        if "prompt" not in asked:
            raise ValidationError({"prompt": ["This field is required."]}, code="required")
        self._model(asked)  # What is wrong with it is wrong with all.
        for line, part in enumerate(parts, 1):
            self._add(line, part.name, partial(_asked_of, asked, part))
        words = [value for name in FILES for value in self._form.getlist(name) if isinstance(value, str)]
        for line, value in enumerate(words, len(parts) + 1):
            self._refuse(line, value[:100], InvalidInput("Send the document as a file.", "file_required"))

    # A list of items

    def _read_lines(self, uploads: BatchUploadHandler, text: str, count: Callable[[int], None]) -> None:
        """`line` is the line of the list, empty ones among them."""
        source = io.BytesIO(text.encode()) if uploads.items is None else cast(BinaryIO, uploads.items.file)
        data = self._form
        shared = {name: data[name] for name in data if name in self._known and name not in (ITEMS, "dedupe")}
        parts = _by_name(uploads.parts)
        found = list(_lines(source, current().parameters.max_batch_items))
        asked = sum(isinstance(line, dict) for _number, line in found)
        if asked > len(uploads.parts):  # Those that came with the form are counted already.
            count(asked - len(uploads.parts))
        for number, line in found:
            self._add(number, _name_of(line), partial(self._of_line, line, shared, parts))

    def _of_line(
        self, line: Any, shared: dict[str, Any], parts: dict[str, list[Part]]
    ) -> tuple[dict[str, Any], StoredDocument]:
        if isinstance(line, InvalidInput):
            raise line
        if not isinstance(line, dict):
            raise InvalidInput("The line is no JSON object.", "malformed_line")
        fields = BatchItemSerializer(data={**shared, **line})
        fields.is_valid(raise_exception=True)
        self.ignored.update(str(name)[:100] for name in line if name not in fields.fields)
        asked: dict[str, Any] = fields.validated_data
        if asked.get("file_id") is not None:
            return asked, stored_document(caller(self._request), asked["file_id"])
        named = parts.get(asked["file"]) or parts.get(store.display_name(asked["file"])) or []
        if len(named) != 1:
            raise _unclear(len(named))
        return asked, _document_of(named[0])

    # Either

    def _add(self, line: int, name: str, find: Callable[[], tuple[dict[str, Any], StoredDocument]]) -> None:
        try:
            asked, document = find()
            self.items.append(Item(line, self._submission(asked, document)))
        except _OWN_FAULTS as error:
            self._refuse(line, name, error)

    def _submission(self, asked: dict[str, Any], document: StoredDocument) -> Submission:
        parameters = self._in_force.parameters
        model = self._model(asked)
        options = options_in_force(asked, model, parameters)
        sight.require_legible(document.filename, model, options.vision_mode, parameters)
        require_pages(options, document)
        return Submission(
            owner_id=caller(self._request).pk,
            api_key_id=self._key,
            document=document,
            prompt=asked["prompt"],
            model=model.id,
            options=options.kept(),
            configuration_revision=self._in_force.revision,
            request_id=request_id(self._request._request),
            document_password=asked.get("file_password", ""),
        )

    def _model(self, asked: dict[str, Any]) -> ModelEntry:
        """Looked for once, however many items name it."""
        wanted = (asked.get("model", ""), asked.get("vision_mode", ""))
        if wanted not in self._models:
            model = chosen_model(asked, self._in_force, self._asker)
            self._allowance.require(model)
            self._models[wanted] = model
        return self._models[wanted]

    def _refuse(self, line: int, name: str, error: Exception) -> None:
        if isinstance(error, ValidationError):
            detail, code = first_fault(error)
            refused = Refused(line, name, detail, InvalidInput.error_type, code)
        else:
            kind = getattr(error, "error_type", InvalidInput.error_type)
            refused = Refused(line, name, error.detail, kind, error.code)  # type: ignore[attr-defined]
        self.refused.append(refused)


def _asked_of(asked: dict[str, Any], part: Part) -> tuple[dict[str, Any], StoredDocument]:
    if part.field not in FILES:
        raise InvalidInput("Send documents as parts that are called files.", "unknown_part")
    return asked, _document_of(part)


def _document_of(part: Part) -> StoredDocument:
    if part.error is not None:
        raise part.error
    if part.document is None:
        raise InvalidInput("Send the document as a file.", "file_required")
    return part.document


def _by_name(parts: list[Part]) -> dict[str, list[Part]]:
    """Parts by the names that a line may call them by: their fields' and their files'."""
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        for name in {part.name, *([part.field] if part.field not in FILES else [])}:
            found[name].append(part)
    return found


def _unclear(parts: int) -> InvalidInput:
    if parts:
        return InvalidInput("Several parts of the form have this name.", "ambiguous_part")
    return InvalidInput("No part of the form has this name.", "unknown_part")


def _name_of(line: Any) -> str:
    """What a line calls its document."""
    if not isinstance(line, dict):
        return ""
    return store.display_name(str(line.get("file") or line.get("file_id") or ""))


def _lines(source: BinaryIO, most: int) -> Iterator[tuple[int, Any]]:
    """The lines that are not empty, by number: what they say, or the error that they are."""
    source.seek(0)
    found = number = 0
    while raw := source.readline(_LONGEST_LINE):
        number += 1
        if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
            raise InvalidInput(f"Line {number} is too long.", "line_too_long")
        if not raw.strip():
            continue
        found += 1
        if found > most:
            raise too_many(most)
        try:
            yield number, strict_json.loads(raw)
        except strict_json.MalformedJsonError:
            yield number, InvalidInput("The line is no valid JSON.", "malformed_line")
        except InvalidInput as error:
            yield number, error
