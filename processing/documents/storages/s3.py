"""S3, and what speaks its dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends import s3

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


class S3Storage(s3.S3Storage, RemoteStorage):  # type: ignore[misc]
    """Parts go one after another, so that memory does not grow with a file."""

    library_errors = (BotoCoreError, ClientError, Boto3Error)

    def __init__(self, **options: Any) -> None:
        config = Config(
            s3={"addressing_style": options.pop("addressing_style", "auto")},
            signature_version="s3v4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
        )
        transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
        super().__init__(
            **options, file_overwrite=True, max_memory_size=MIB, client_config=config, transfer_config=transfer
        )
        self._resource = PerProcess(self._connect)

    def _connect(self) -> Any:
        return self._create_session().resource(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            config=self.client_config,
        )

    @property
    def connection(self) -> Any:
        """One for all threads: each of its own would take megabytes for every thread of the web server."""
        return self._resource.get()

    @property
    def bucket(self) -> Any:
        return self.connection.Bucket(self.bucket_name)

    def is_missing(self, error: Exception) -> bool:
        return isinstance(error, ClientError) and error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound")

    def put(self, name: str, file: File[bytes]) -> None:
        self._save(name, file)

    def pour(self, name: str, sink: Sink) -> None:
        body = self._client.get_object(Bucket=self.bucket_name, Key=self._normalize_name(name))["Body"]
        with body:
            for piece in body.iter_chunks(MIB):
                sink.write(piece)

    def walk(self, below: str) -> Iterator[StoredFile]:
        prefix = self._normalize_name(below) + "/"
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket_name, Prefix=prefix)
        for page in pages:
            for entry in page.get("Contents", ()):
                yield StoredFile(f"{below}/{entry['Key'].removeprefix(prefix)}", entry["Size"], entry["LastModified"])

    def download_url(self, name: str, disposition: str, seconds: int) -> str:
        headers = {"ResponseContentDisposition": disposition, "ResponseContentType": "application/octet-stream"}
        where = {"Bucket": self.bucket_name, "Key": self._normalize_name(name)}
        return str(self._client.generate_presigned_url("get_object", Params={**where, **headers}, ExpiresIn=seconds))

    @property
    def _client(self) -> Any:
        return self.connection.meta.client
