"""Google Cloud Storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from django.core.files import File
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.exceptions import GoogleCloudError
from google.cloud.storage import Blob, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2 import service_account as _key_file
from storages.backends import gcloud

from processing.documents.storages.remote import (
    CONNECT_SECONDS,
    MIB,
    PART_BYTES,
    READ_SECONDS,
    PerProcess,
    RemoteStorage,
    Sink,
    StoredFile,
)

_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
_RETRY = DEFAULT_RETRY.with_timeout(4.0)  # seconds in which a request may be begun once more


class GoogleStorage(gcloud.GoogleCloudStorage, RemoteStorage):  # type: ignore[misc]
    """A bucket, by a service account's key or with the identity of the machine.

    An `endpoint_url` that is not Google's is spoken to without credentials, unless a key is given.
    """

    library_errors = (GoogleAPIError, GoogleCloudError, GoogleAuthError, DataCorruption, InvalidResponse)

    def __init__(
        self,
        *,
        service_account: str = "",
        endpoint_url: str | None = None,
        kms_key_name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options, file_overwrite=True, max_memory_size=MIB, blob_chunk_size=PART_BYTES)
        self._service_account = service_account
        self._endpoint_url = endpoint_url
        self._kms_key_name = kms_key_name
        self._connected = PerProcess(self._connect)

    def _connect(self) -> Client:
        options = {"api_endpoint": self._endpoint_url} if self._endpoint_url else None
        if self._service_account:
            key = json.loads(self._service_account)
            credentials: Any = _key_file.Credentials.from_service_account_info(key)  # type: ignore[no-untyped-call]
            return Client(project=key.get("project_id"), credentials=credentials, client_options=options)
        if self._endpoint_url:
            nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
            return Client(project="-", credentials=nobody, client_options=options)
        return Client()

    @property
    def client(self) -> Client:
        return self._connected.get()

    @property
    def bucket(self) -> Any:
        return self.client.bucket(self.bucket_name)

    def is_missing(self, error: Exception) -> bool:
        return isinstance(error, NotFound)

    def put(self, name: str, file: File[bytes]) -> None:
        blob = Blob(self._named(name), self.bucket, chunk_size=PART_BYTES, kms_key_name=self._kms_key_name)
        file.seek(0)
        blob.upload_from_file(
            file,
            rewind=True,
            size=file.size,
            content_type="application/octet-stream",
            timeout=_TIMEOUT,
            retry=_RETRY,
        )

    def pour(self, name: str, sink: Sink) -> None:
        self._blob(name).download_to_file(sink, timeout=_TIMEOUT, retry=_RETRY, checksum="crc32c")

    def exists(self, name: str) -> bool:
        return bool(self._blob(name).exists(timeout=_TIMEOUT, retry=_RETRY))

    def size(self, name: str) -> int:
        return int(self._looked_up(name).size)

    def get_modified_time(self, name: str) -> datetime:
        return cast(datetime, self._looked_up(name).updated)

    def delete(self, name: str) -> None:
        try:
            self._blob(name).delete(timeout=_TIMEOUT, retry=_RETRY)
        except NotFound:
            if not self.bucket.exists(timeout=_TIMEOUT, retry=_RETRY):
                raise

    def walk(self, below: str) -> Iterator[StoredFile]:
        prefix = self._named(below) + "/"
        for blob in self.client.list_blobs(self.bucket_name, prefix=prefix, timeout=_TIMEOUT, retry=_RETRY):
            yield StoredFile(f"{below}/{blob.name.removeprefix(prefix)}", blob.size, blob.updated)

    def download_url(self, name: str, disposition: str, seconds: int) -> str:
        return str(
            self._blob(name).generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=seconds),
                response_disposition=disposition,
                response_type="application/octet-stream",
                api_access_endpoint=self._endpoint_url,
            )
        )

    def _looked_up(self, name: str) -> Any:
        blob = self._blob(name)
        blob.reload(timeout=_TIMEOUT, retry=_RETRY)
        return blob

    def _blob(self, name: str) -> Any:
        return self.bucket.blob(self._named(name))

    def _named(self, name: str) -> str:
        return str(self._normalize_name(name))
