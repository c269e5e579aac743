"""What an archive says of itself, in its last member, and by which key that is signed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hmac import compare_digest
from typing import Literal

from django.utils.crypto import salted_hmac
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processing.operations.backup.errors import RestoreRefusedError

FORMAT = 1  # to be raised when an older version could not read what is written

# The members, in the order in which an archive has them; each but those of FILES at most once.
FORMAT_MEMBER = "api-v2-backup"  # the format's number, so that a reader knows before anything else whether it can read
CONFIGURATION = "configuration.json"
SQLITE = "database.sqlite3.gz"
POSTGRESQL = "database.pgdump"
SECRET_KEY = "secret_key"  # noqa: S105 - its name
FILES = "files/"
DOCUMENTS = "documents.jsonl"
CHECKSUMS = "SHA256SUMS"
MANIFEST = "manifest.json"

Files = Literal["copy", "reference"]
Vendor = Literal["sqlite", "postgresql"]
_SALT = "processing.operations.backup"


class Manifest(BaseModel):
    """`rows` by table; `migrations` as `app.name`; `database_bytes` is the size of the database's member once it is
    unpacked. `missing` documents lay nowhere when the archive was made, `damaged` ones had other bytes than they came
    with. `checksums` is the SHA-256 of the member that has one of each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    service_version: str
    made_at: str
    vendor: Vendor
    database_bytes: int = Field(ge=0)
    rows: dict[str, int]
    migrations: list[str]
    files: Files
    documents: int = Field(ge=0)
    document_bytes: int = Field(ge=0)
    missing: int = Field(ge=0)
    damaged: int = Field(ge=0)
    has_secret_key: bool
    former_keys: int = Field(ge=0)
    checksums: str
    signature: str = ""

    def signed(self, key: str) -> Manifest:
        return self.model_copy(update={"signature": self._signature(key)})

    def is_signed_by(self, keys: Iterable[str]) -> bool:
        """Whether one of these is the `SECRET_KEY` of the service that made the archive, and nothing was changed."""
        return any(compare_digest(self.signature.encode(), self._signature(key).encode()) for key in keys)

    def as_json(self) -> bytes:
        return self.model_dump_json(indent=1).encode()

    def _signature(self, key: str) -> str:
        said = json.dumps(self.model_dump(exclude={"signature"}), sort_keys=True)
        return salted_hmac(_SALT, said, secret=key, algorithm="sha256").hexdigest()


def read(content: bytes) -> Manifest:
    """Raises `RestoreRefusedError` for what is none."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        raise RestoreRefusedError("The archive is damaged: its manifest cannot be read.") from None


def require_format(content: bytes) -> None:
    """Raises `RestoreRefusedError` unless this version reads archives of that format."""
    if not re.fullmatch(rb"[0-9]{1,6}\n", content):
        raise RestoreRefusedError("This is no archive of a backup.")
    if int(content) > FORMAT:
        raise RestoreRefusedError(
            f"The archive has format {int(content)}, and this version of the service reads up to {FORMAT}. "
            "Restore it with the version that made it, or a later one."
        )
