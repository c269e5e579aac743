"""Whether an endpoint can work at all, told before anything is sent: when it is saved, and when it is used."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from modelsregistry.contract import Endpoint
from modelsregistry.errors import ModelMisconfigured


def require_address(endpoint: Endpoint) -> None:
    """Raises `ModelMisconfigured` unless the base URL is a plain HTTP(S) one: a credential in it would reach logs."""
    if not _is_plain(endpoint.base_url):
        raise ModelMisconfigured(
            "The provider needs an address such as https://api.example.com/v1, without a query or a credential in it.",
            "provider_malformed",
        )


def require_secret_for_header(endpoint: Endpoint) -> None:
    """Raises `ModelMisconfigured` when no HTTP header could carry the secret; an empty one is allowed."""
    if not (endpoint.secret.isascii() and endpoint.secret.isprintable()):
        raise ModelMisconfigured("The provider's secret holds characters that no header can carry.", "secret_malformed")


def require_options(endpoint: Endpoint, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raises `ModelMisconfigured` unless the options are among `known`: name → values."""
    given = endpoint.options
    if not isinstance(given, dict) or any(value not in known.get(name, ()) for name, value in given.items()):
        choices = "; ".join(f"{name}: {' or '.join(values)}" for name, values in known.items())
        raise ModelMisconfigured(
            f"The provider's options are an object of names and values. This dialect knows {choices or 'none'}.",
            "option_unknown",
        )


def _is_plain(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    extras = url.query or url.fragment or url.userinfo
    return url.scheme in ("http", "https") and bool(url.host) and not extras and 0 < (url.port or 80) < 65_536
