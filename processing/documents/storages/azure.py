"""Azure Blob Storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    generate_blob_sas,
)
from django.core.files import File
from django.utils import timezone
from storages.backends import azure_storage

from processing.documents.storages.remote import (
    CONNECT_SECONDS,
    MIB,
    PART_BYTES,
    READ_SECONDS,
    TRIES,
    PerProcess,
    RemoteStorage,
    Sink,
    StoredFile,
)


class AzureStorage(azure_storage.AzureStorage, RemoteStorage):  # type: ignore[misc]
    """A container of the account at `account_url`; without a key, with the identity of the machine."""

    library_errors = (AzureError,)

    def __init__(self, *, account_url: str, encryption_scope: str | None = None, **options: Any) -> None:
        super().__init__(**options, overwrite_files=True, max_memory_size=MIB, timeout=int(READ_SECONDS))
        self._account_url = account_url
        self._encryption_scope = encryption_scope
        self._service = PerProcess(self._connect)

    def _connect(self) -> BlobServiceClient:
        return BlobServiceClient(
            self._account_url,
            credential=self._credential(),
            transport=RequestsTransport(connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS),
            retry_total=TRIES - 1,
            initial_backoff=1,
            increment_base=1,
            random_jitter_range=1,
            max_single_put_size=PART_BYTES,
            max_block_size=PART_BYTES,
            max_single_get_size=PART_BYTES,
            max_chunk_get_size=PART_BYTES,
        )

    def _credential(self) -> Any:
        if not self.account_key:
            from azure.identity import DefaultAzureCredential

            return DefaultAzureCredential()
        parts = urlsplit(self._account_url)
        # Where one host serves all accounts, as an emulator does, the account is the path.
        name = parts.path.strip("/") or str(parts.hostname).partition(".")[0]
        return {"account_name": name, "account_key": self.account_key}

    @property
    def service_client(self) -> BlobServiceClient:
        return self._service.get()

    @property
    def client(self) -> ContainerClient:
        return self.service_client.get_container_client(self.azure_container)

    def is_missing(self, error: Exception) -> bool:
        return isinstance(error, ResourceNotFoundError) and getattr(error, "error_code", None) != "ContainerNotFound"

    def put(self, name: str, file: File[bytes]) -> None:
        try:
            self._upload(name, file)
        except HttpResponseError as error:
            # Of two that store the same name at once, the first to end takes the other's parts away.
            if getattr(error, "error_code", None) != "InvalidBlockList" or self.size(name) != file.size:
                raise

    def _upload(self, name: str, file: File[bytes]) -> None:
        file.seek(0)
        self.client.upload_blob(
            self._get_valid_path(name),
            cast(BinaryIO, file.file),
            length=file.size,
            overwrite=True,
            max_concurrency=1,
            content_settings=ContentSettings(content_type=self.default_content_type),
            encryption_scope=self._encryption_scope,
        )

    def pour(self, name: str, sink: Sink) -> None:
        for piece in self.client.download_blob(self._get_valid_path(name), max_concurrency=1).chunks():
            sink.write(piece)

    def walk(self, below: str) -> Iterator[StoredFile]:
        prefix = self._get_valid_path(below) + "/"
        for blob in self.client.list_blobs(name_starts_with=prefix):
            yield StoredFile(f"{below}/{blob.name.removeprefix(prefix)}", blob.size, blob.last_modified)

    def download_url(self, name: str, disposition: str, seconds: int) -> str:
        now = timezone.now()
        path, account = self._get_valid_path(name), self.service_client.account_name
        delegated = None
        if not self.account_key:
            delegated = self.service_client.get_user_delegation_key(now, now + timedelta(seconds=seconds))
        token = generate_blob_sas(
            str(account),
            self.azure_container,
            path,
            account_key=self.account_key,
            user_delegation_key=delegated,
            permission=BlobSasPermissions(read=True),
            expiry=now + timedelta(seconds=seconds),
            content_disposition=disposition,
            content_type=self.default_content_type,
        )
        return f"{self.client.get_blob_client(path).url}?{token}"
