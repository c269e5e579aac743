"""The table of storages: of each, which class speaks to it, and what of the environment that class takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiv2project import environment
from apiv2project.environment import Environment

Entry = dict[str, Any]  # as in Django's STORAGES


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of storage; `place` names what says where it is, without which it is not configured."""

    backend: str
    place: tuple[str, ...]
    options: Callable[[Environment, Path], dict[str, Any]]


def _local(_env: Environment, data_dir: Path) -> dict[str, Any]:
    return {
        "location": data_dir / "files",
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }


def _s3(env: Environment, _data_dir: Path) -> dict[str, Any]:
    encryption = {"ServerSideEncryption": env.s3_encryption, "SSEKMSKeyId": env.s3_kms_key_id}
    return {
        "bucket_name": env.s3_bucket_name,
        "region_name": env.s3_region_name or None,
        "endpoint_url": env.s3_endpoint_url or None,
        "addressing_style": env.s3_addressing_style,
        "location": env.s3_key_prefix,
        "access_key": env.s3_access_key_id or None,
        "secret_key": env.s3_secret_access_key or None,
        "object_parameters": {name: value for name, value in encryption.items() if value},
    }


def _gcs(env: Environment, _data_dir: Path) -> dict[str, Any]:
    return {
        "bucket_name": env.gcs_bucket_name,
        "location": env.gcs_key_prefix,
        "service_account": env.gcs_credentials,
        "endpoint_url": env.gcs_endpoint_url or None,
        "kms_key_name": env.gcs_kms_key_name or None,
    }


def _azure(env: Environment, _data_dir: Path) -> dict[str, Any]:
    return {
        "account_url": env.azure_endpoint,
        "azure_container": env.azure_container_name,
        "account_key": env.azure_key or None,
        "location": env.azure_key_prefix,
        "encryption_scope": env.azure_encryption_scope or None,
    }


_KINDS: Mapping[str, _Kind] = {
    "local": _Kind("django.core.files.storage.FileSystemStorage", ("data_dir",), _local),
    "s3": _Kind("processing.documents.storages.s3.S3Storage", ("s3_bucket_name",), _s3),
    "gcs": _Kind("processing.documents.storages.gcs.GoogleStorage", ("gcs_bucket_name",), _gcs),
    "azure": _Kind(
        "processing.documents.storages.azure.AzureStorage", ("azure_endpoint", "azure_container_name"), _azure
    ),
}


def table(env: Environment, data_dir: Path) -> dict[str, Entry]:
    """Django's STORAGES: the chosen one as `default`, and each that is configured by its own name."""
    entries: dict[str, Entry] = {
        name: {"BACKEND": kind.backend, "OPTIONS": kind.options(env, data_dir)}
        for name, kind in _KINDS.items()
        if all(getattr(env, name) for name in kind.place)
    }
    return {"default": dict(entries[env.storage_provider]), **entries}


def elsewhere(variables: Mapping[str, str], provider: str) -> Entry:
    """A storage that is not the service's own, out of variables like its own; it ends the process where they are
    malformed, as a start does. Not for the local one, of which there is one per data directory."""
    env = environment.read({**variables, "STORAGE_PROVIDER": provider})
    return table(env, env.data_dir)[provider]
