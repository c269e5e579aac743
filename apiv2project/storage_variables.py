"""Which storage documents lie in, and how it is reached: the part of the environment that the table of storages reads.

Names are Open WebUI's where it has one.
"""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

Provider = Literal["local", "s3", "gcs", "azure"]

# What each storage needs beside the base layer: the modules by which it is seen whether that is there.
_LAYERS = {
    "s3": ("storages", "boto3"),
    "gcs": ("storages", "google.cloud.storage"),
    "azure": ("storages", "azure.storage.blob"),
}
_PREFIX = re.compile(r"[\w!.'()-]+(?:/[\w!.'()-]+)*", re.ASCII)
UNTOLD = (
    *("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS_JSON", "AZURE_STORAGE_KEY"),
    *("S3_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "API_V2_GCS_ENDPOINT_URL"),  # by mistake, perhaps
)


def _installed(provider: str) -> str:
    missing = [name for name in _LAYERS.get(provider, ()) if not _is_there(name)]
    if missing:
        raise ValueError(f"The client is missing: pip install --require-hashes -r requirements/{provider}.txt")
    return provider


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _prefix(text: str) -> str:
    """Without slashes at its ends. Raises `ValueError` for what no storage takes, or what would lead elsewhere."""
    kept = text.strip("/")
    if kept and (not _PREFIX.fullmatch(kept) or {".", ".."} & set(kept.split("/")) or len(kept) > 200):
        raise ValueError("takes a path such as api-v2/documents")
    return kept


def _bucket(name: str) -> str:
    """What all three kinds of storage take at least. Whether there is one of this name, the storage says."""
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name):
        raise ValueError("takes small letters, digits, hyphens and dots, three characters or more")
    return name


def _address(url: str) -> str:
    """Without a slash at its end."""
    if url and not re.fullmatch(r"https?://(?:[\w.-]+|\[[\da-f:]+\])(?::\d{1,5})?(?:/[\w./-]*)?", url, re.ASCII):
        raise ValueError("takes a URL such as https://storage.example.org, without credentials")
    return url.rstrip("/")


def _account(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "client_email" not in found or "private_key" not in found:
        raise ValueError("takes the JSON of a service account's key")
    return text


def _key(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9+/]{8,}={0,2}", text):
        raise ValueError("takes the account's key, in base64")
    return text


Bucket = Annotated[str, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Address = Annotated[str, AfterValidator(_address)]


class StorageVariables(BaseModel):
    """Each storage's variables may be set whether it is the chosen one or not: documents move between two of them."""

    storage_provider: Annotated[Provider, AfterValidator(_installed)] = Field("local", alias="STORAGE_PROVIDER")
    storage_redirects: bool = Field(default=False, alias="API_V2_STORAGE_REDIRECTS")

    s3_bucket_name: Bucket = Field("", alias="S3_BUCKET_NAME", validate_default=True)
    s3_region_name: str = Field("", alias="S3_REGION_NAME", pattern=r"^[a-z0-9-]{2,40}$")
    s3_endpoint_url: Address = Field("", alias="S3_ENDPOINT_URL")
    s3_key_prefix: Prefix = Field("", alias="S3_KEY_PREFIX")
    s3_access_key_id: str = Field("", alias="S3_ACCESS_KEY_ID")
    s3_secret_access_key: str = Field("", alias="S3_SECRET_ACCESS_KEY")
    s3_addressing_style: Literal["auto", "path", "virtual"] = Field("auto", alias="S3_ADDRESSING_STYLE")
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field("", alias="API_V2_S3_ENCRYPTION")
    s3_kms_key_id: str = Field("", alias="API_V2_S3_KMS_KEY_ID")

    gcs_bucket_name: Bucket = Field("", alias="GCS_BUCKET_NAME", validate_default=True)
    gcs_credentials: Annotated[str, AfterValidator(_account)] = Field("", alias="GOOGLE_APPLICATION_CREDENTIALS_JSON")
    gcs_endpoint_url: Address = Field("", alias="API_V2_GCS_ENDPOINT_URL")
    gcs_key_prefix: Prefix = Field("", alias="API_V2_GCS_KEY_PREFIX")
    gcs_kms_key_name: str = Field("", alias="API_V2_GCS_KMS_KEY_NAME", pattern=r"^projects/[\w/.-]+$")

    azure_endpoint: Address = Field("", alias="AZURE_STORAGE_ENDPOINT", validate_default=True)
    azure_container_name: Bucket = Field("", alias="AZURE_STORAGE_CONTAINER_NAME", validate_default=True)
    azure_key: Annotated[str, AfterValidator(_key)] = Field("", alias="AZURE_STORAGE_KEY")
    azure_key_prefix: Prefix = Field("", alias="API_V2_AZURE_KEY_PREFIX")
    azure_encryption_scope: str = Field("", alias="API_V2_AZURE_ENCRYPTION_SCOPE", pattern=r"^[\w-]{3,63}$")

    @field_validator("s3_bucket_name", "gcs_bucket_name", "azure_endpoint", "azure_container_name")
    @classmethod
    def _named_where_chosen(cls, value: str, info: ValidationInfo) -> str:
        provider = info.data.get("storage_provider")
        if provider and not value and str(info.field_name).startswith(f"{provider}_"):
            raise ValueError(f"STORAGE_PROVIDER={provider} needs this")
        return value
