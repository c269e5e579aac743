"""What is stored is encrypted at the storage as the settings say, documents of one part and of several.

moto keeps what it was asked for, and tells it of each object. Neither fake-gcs-server nor Azurite does: the one forgets
the name of the key, the other the scope, so that with these two the requests themselves are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from processing.documents import blobs
from tests.storage.conftest import stored_in
from tests.storage.proxy import proxied
from tests.storage.servers import BUCKET, Server

PARTS = pytest.mark.parametrize("content", [b"words", b"words" * 4_000_000], ids=["of one part", "of several parts"])
PATH = "documents/7/ab/encrypted"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
GOOGLES_KEY = "projects/p/locations/eu/keyRings/ring/cryptoKeys/papers"


@PARTS
@pytest.mark.parametrize("server", ["s3"], indirect=True)
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"API_V2_S3_ENCRYPTION": "AES256"}, ("AES256", None)),
        ({"API_V2_S3_ENCRYPTION": "aws:kms", "API_V2_S3_KMS_KEY_ID": KEY}, ("aws:kms", KEY)),
        ({"API_V2_S3_ENCRYPTION": ""}, (None, None)),
    ],
    ids=["AES256", "aws:kms", "the bucket's own"],
)
def test_an_object_in_s3(
    server: Server, tmp_path: Path, content: bytes, variables: Mapping[str, str], told: tuple[str | None, str | None]
) -> None:
    with stored_in("s3", {**server.variables, **variables}, tmp_path):
        blobs.documents.put(PATH, ContentFile(content))
        client: Any = default_storage.connection.meta.client  # type: ignore[attr-defined]
        found = client.head_object(Bucket=BUCKET, Key=f"api-v2/{PATH}")
    assert (found.get("ServerSideEncryption"), found.get("SSEKMSKeyId")) == told


@PARTS
@pytest.mark.parametrize("server", ["gcs"], indirect=True)
def test_what_google_is_asked_for(server: Server, tmp_path: Path, content: bytes) -> None:
    with storing(server, {"API_V2_GCS_KMS_KEY_NAME": GOOGLES_KEY}, tmp_path) as requests:
        blobs.documents.put(PATH, ContentFile(content))
    [begun] = [target for method, target, _ in requests if method == "POST" and "/upload/" in target]
    assert parse_qs(urlsplit(begun).query)["kmsKeyName"] == [GOOGLES_KEY]


@PARTS
@pytest.mark.parametrize("server", ["azure"], indirect=True)
def test_what_azure_is_asked_for(server: Server, tmp_path: Path, content: bytes) -> None:
    """In each request that brings a part, and in the one that makes an object of them."""
    with storing(server, {"API_V2_AZURE_ENCRYPTION_SCOPE": "papers"}, tmp_path) as requests:
        blobs.documents.put(PATH, ContentFile(content))
    scopes = [headers.get("x-ms-encryption-scope") for method, _, headers in requests if method == "PUT"]
    assert scopes == ["papers"] * (1 if len(content) < 1000 else 4)


@contextmanager
def storing(
    server: Server, variables: Mapping[str, str], directory: Path
) -> Iterator[list[tuple[str, str, dict[str, str]]]]:
    """Documents go to this server with these variables; the requests are there when the block ends."""
    heard: list[bytes] = []
    requests: list[tuple[str, str, dict[str, str]]] = []
    with (
        proxied(server.port, heard) as proxy,
        stored_in(server.provider, {**server.through(proxy.port), **variables}, directory),
    ):
        yield requests
    for head in re.findall(rb"([A-Z]+) (/\S*) HTTP/1\.1\r\n(.*?)\r\n\r\n", b"".join(heard), re.DOTALL):
        method, target, lines = (each.decode() for each in head)
        headers = dict(line.split(": ", 1) for line in lines.split("\r\n"))
        requests.append((method, target, {name.lower(): value for name, value in headers.items()}))
