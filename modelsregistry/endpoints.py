"""Whether an endpoint can work at all, told before anything is sent; and how whatever is sent to it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from modelsregistry.addresses import AddressNotAllowed, require_public_name
from modelsregistry.contract import Endpoint
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.http import address_not_allowed


@dataclass(frozen=True, slots=True)
class Shaped:
    """The values of an option that cannot be counted up: what `pattern` matches, such as `example`."""

    pattern: re.Pattern[str]
    example: str


Values = tuple[str, ...] | Shaped


# What httpx writes itself, and what would have the answer come in a form that is not read.
_OWN_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "te"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def require_address(endpoint: Endpoint) -> None:
    """Raises `ModelMisconfigured` unless the base URL is a plain HTTP(S) one, and the proxy too: a credential in them
    would reach logs. Also when the base URL is, at first sight, a private one that is not allowed."""
    if not _is_plain(endpoint.base_url):
        raise ModelMisconfigured(
            "The provider needs an address such as https://api.example.com/v1, without a query or a credential in it.",
            "provider_malformed",
        )
    if endpoint.proxy and not (_is_plain(endpoint.proxy) and httpx.URL(endpoint.proxy).path in ("", "/")):
        raise ModelMisconfigured(
            "The proxy needs an address such as http://proxy:3128, without a path or a credential in it.",
            "proxy_malformed",
        )
    if not endpoint.allow_private:
        try:
            require_public_name(httpx.URL(endpoint.base_url).host)
        except AddressNotAllowed as error:
            raise address_not_allowed() from error


def require_secret_for_header(endpoint: Endpoint) -> None:
    """Raises `ModelMisconfigured` when no HTTP header could carry the secret, or the endpoint's own headers as they
    are; an empty secret is allowed."""
    if not _is_header_value(endpoint.secret):
        raise ModelMisconfigured("The provider's secret holds characters that no header can carry.", "secret_malformed")
    for name, value in endpoint.headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _is_header_value(value):
            raise ModelMisconfigured(
                "A header of the provider has a name or a value that cannot be sent.", "header_malformed"
            )
        if name.lower() in _OWN_HEADERS:
            raise ModelMisconfigured(f"The header {name} is the service's own to write.", "header_malformed")


def require_options(endpoint: Endpoint, known: Mapping[str, Values]) -> None:
    """Raises `ModelMisconfigured` unless the options are among `known`: name → values."""
    given = endpoint.options
    if not isinstance(given, dict) or any(not _is_among(value, known.get(name, ())) for name, value in given.items()):
        choices = "; ".join(f"{name}: {_in_words(values)}" for name, values in known.items())
        raise ModelMisconfigured(
            f"The provider's options are an object of names and values. This dialect knows {choices or 'none'}.",
            "option_unknown",
        )


def request_headers(endpoint: Endpoint, own: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request: the driver's own, and the administrator's, which win where they name the same."""
    overruled = {name.lower() for name in endpoint.headers}
    return {name: value for name, value in own.items() if name.lower() not in overruled} | dict(endpoint.headers)


def _is_among(value: Any, values: Values) -> bool:
    if isinstance(values, Shaped):
        return isinstance(value, str) and values.pattern.fullmatch(value) is not None
    return value in values


def _in_words(values: Values) -> str:
    return f"such as {values.example}" if isinstance(values, Shaped) else " or ".join(values)


def _is_header_value(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_plain(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    extras = url.query or url.fragment or url.userinfo
    return url.scheme in ("http", "https") and bool(url.host) and not extras and 0 < (url.port or 80) < 65_536
