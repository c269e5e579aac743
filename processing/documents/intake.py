"""The way of an uploaded file into the store: what is it, is it whole, keep it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile

from processing.documents import registry, sandbox, store
from processing.documents.models import StoredDocument
from processing.errors import DocumentFailed, InvalidInput


@dataclass(frozen=True, slots=True)
class Rules:
    """What files are taken: the names of formats that are, and the extensions that are not; and for how long each is
    kept, None being for ever. `password` opens a file that is encrypted."""

    supported: Collection[str]
    blocked: Collection[str]
    keep_for: timedelta | None = None
    password: str | None = field(default=None, repr=False)


def take_in(owner: User, file: UploadedFile[bytes], sha256: str, rules: Rules) -> StoredDocument:
    """Identify, inspect and keep a file. Nothing is stored unless all is well.

    Raises `InvalidInput` with the code of what is wrong: its type, or that it is empty, broken or encrypted; and
    `ServiceUnavailable` (`disk_full`).
    """
    filename = store.display_name(file.name or "")
    file.seek(0)
    kind = registry.identify(filename, file.read(registry.HEAD), supported=rules.supported, blocked=rules.blocked)
    file.seek(0)
    try:
        enclosed = registry.enclosable(rules.supported, rules.blocked)
        inspection = sandbox.inspect(file, kind, password=rules.password, enclosed=enclosed)
    except DocumentFailed as error:
        raise InvalidInput(error.detail, error.code) from error
    file.seek(0)
    return store.keep(
        owner,
        file,
        filename=filename,
        format=kind,
        size=file.size or 0,
        sha256=sha256,
        pages=inspection.pages,
        keep_for=rules.keep_for,
    )
