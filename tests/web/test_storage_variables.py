"""Where documents lie is said by the environment; what is wrong there is told in one line, and no secret with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apiv2project import environment, storages

S3 = {"STORAGE_PROVIDER": "s3", "S3_BUCKET_NAME": "papers"}
GCS = {"STORAGE_PROVIDER": "gcs", "GCS_BUCKET_NAME": "papers"}
AZURE = {
    "STORAGE_PROVIDER": "azure",
    "AZURE_STORAGE_ENDPOINT": "https://papers.blob.core.windows.net/",
    "AZURE_STORAGE_CONTAINER_NAME": "api-v2",
}


def told(variables: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        environment.read(variables)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "backend"),
    [
        ({}, "django.core.files.storage.FileSystemStorage"),
        (S3, "processing.documents.storages.s3.S3Storage"),
        (GCS, "processing.documents.storages.gcs.GoogleStorage"),
        (AZURE, "processing.documents.storages.azure.AzureStorage"),
    ],
)
def test_it_works(variables: dict[str, str], backend: str) -> None:
    assert storages.table(environment.read(variables), Path("/data"))["default"]["BACKEND"] == backend


def test_every_storage_that_is_described_can_be_reached_by_its_name() -> None:
    others = {name: value for name, value in {**S3, **GCS, **AZURE}.items() if name != "STORAGE_PROVIDER"}
    table = storages.table(environment.read(others), Path("/data"))
    assert set(table) == {"default", "local", "s3", "gcs", "azure"}
    assert table["default"] == table["local"]
    assert set(storages.table(environment.read({}), Path("/data"))) == {"default", "local"}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"STORAGE_PROVIDER": "ftp"}, "STORAGE_PROVIDER"),
        ({"STORAGE_PROVIDER": "s3"}, "S3_BUCKET_NAME"),
        ({"STORAGE_PROVIDER": "gcs"}, "GCS_BUCKET_NAME"),
        ({**AZURE, "AZURE_STORAGE_ENDPOINT": ""}, "AZURE_STORAGE_ENDPOINT"),
        ({**S3, "S3_BUCKET_NAME": "s3://papers"}, "S3_BUCKET_NAME"),
        ({**S3, "S3_ENDPOINT_URL": "minio:9000"}, "S3_ENDPOINT_URL"),
        ({**S3, "S3_ENDPOINT_URL": "http://minio:port"}, "S3_ENDPOINT_URL"),
        ({**S3, "S3_KEY_PREFIX": "../others"}, "S3_KEY_PREFIX"),
        ({**S3, "S3_KEY_PREFIX": "a//b"}, "S3_KEY_PREFIX"),
        ({**S3, "S3_ADDRESSING_STYLE": "fast"}, "S3_ADDRESSING_STYLE"),
        ({**S3, "API_V2_S3_ENCRYPTION": "rot13"}, "API_V2_S3_ENCRYPTION"),
        ({**S3, "API_V2_STORAGE_REDIRECTS": "perhaps"}, "API_V2_STORAGE_REDIRECTS"),
        ({**GCS, "API_V2_GCS_KMS_KEY_NAME": "my key"}, "API_V2_GCS_KMS_KEY_NAME"),
        ({**AZURE, "API_V2_AZURE_ENCRYPTION_SCOPE": "a b"}, "API_V2_AZURE_ENCRYPTION_SCOPE"),
    ],
)
def test_what_is_malformed_ends_the_start_and_is_named(
    variables: dict[str, str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [line] = told({key: value for key, value in variables.items() if value}, capsys).splitlines()
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "variables",
    [
        {**GCS, "GOOGLE_APPLICATION_CREDENTIALS_JSON": json.dumps({"private_key": "hush-hush"})},
        {**GCS, "GOOGLE_APPLICATION_CREDENTIALS_JSON": "hush-hush"},
        {**AZURE, "AZURE_STORAGE_KEY": "hush-hush!"},
        {**S3, "S3_ENDPOINT_URL": "http://me:hush-hush@minio:9000"},
    ],
)
def test_no_secret_is_told(variables: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    line = told(variables, capsys)
    assert "hush-hush" not in line


@pytest.mark.parametrize("variables", [S3, GCS, AZURE])
def test_a_layer_that_is_missing_ends_the_start_with_what_to_do(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    provider = variables["STORAGE_PROVIDER"]
    line = told(variables, capsys)
    assert line.startswith("STORAGE_PROVIDER: ")
    assert f"pip install --require-hashes -r requirements/{provider}.txt" in line
