"""What a key is limited to: endpoints, networks, models and a moment at which it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from modelsregistry.models import RegisteredModel
from processing.access import endpoints, networks
from processing.access.models import ApiKey
from processing.errors import AccessDenied, InvalidInput

MAX_ENTRIES = 100  # in each of the lists


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Of a key that is to be made. An empty list limits nothing."""

    expires_at: datetime | None = None
    endpoints: Sequence[str] = ()
    networks: Sequence[str] = ()
    models: Sequence[str] = ()
    """Public ids."""

    def checked(self) -> Restrictions:
        """The same in canonical spelling. Raises `InvalidInput`, which names each field at fault."""
        errors: dict[str, list[str]] = {}
        if self.expires_at is not None and self.expires_at <= timezone.now():
            errors["expires_at"] = ["This moment has passed."]
        paths = _each(self.endpoints, endpoint, "allowed_endpoints", errors)
        ranges = _each(self.networks, network, "allowed_networks", errors)
        known = set(RegisteredModel.objects.filter(public_id__in=self.models).values_list("public_id", flat=True))
        unknown = [each for each in self.models if each not in known]
        if unknown:
            errors["allowed_models"] = [f"There is no model {each!r}." for each in unknown[:MAX_ENTRIES]]
        if errors:
            raise InvalidInput("The key was not made: the request is not valid.", "invalid_key_request", errors=errors)
        return Restrictions(self.expires_at, paths, ranges, tuple(dict.fromkeys(self.models)))


def endpoint(text: str) -> str:
    """A path in canonical spelling. Raises `ValueError` with a sentence for one that no endpoint has."""
    if not text.startswith("/") or not endpoints.leads_somewhere(text):
        raise ValueError(f"The service has no endpoint {text!r}; paths look like /api/v2/process.")
    return "/" + "/".join(part for part in text.split("/") if part)


def network(text: str) -> str:
    """A network in canonical spelling. Raises `ValueError` with a sentence."""
    try:
        return str(networks.network(text))
    except ValueError:
        raise ValueError(f"{text!r} is no network; these look like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7.") from None


def _each(
    texts: Sequence[str], convert: Callable[[str], str], field: str, errors: dict[str, list[str]]
) -> tuple[str, ...]:
    found: dict[str, None] = {}  # ordered, each once
    for text in texts:
        try:
            found[convert(text)] = None
        except ValueError as error:
            errors.setdefault(field, []).append(str(error))
    if len(texts) > MAX_ENTRIES:
        errors[field] = [f"There may be {MAX_ENTRIES} of these at most."]
    return tuple(found)


def require(key: ApiKey, *, route: Callable[[], str], address: Callable[[], str]) -> None:
    """Raises `AccessDenied` unless a key, from the client's address, may call an endpoint, by its resolved route. Both
    are looked up only where something is limited."""
    limits: list[Any] = [each for each in (settings.API_KEY_ALLOWED_ENDPOINTS, key.allowed_endpoints) if each]
    if limits and not all(endpoints.allows(each, route()) for each in limits):
        raise AccessDenied("An API key may not call this endpoint here; a signed-in user may.", "endpoint_not_allowed")
    if key.allowed_networks and not networks.holds(key.allowed_networks, address()):
        raise AccessDenied("This API key may not be used from your address.", "address_not_allowed")


def switched_off() -> AccessDenied:
    """What every key is answered while `ENABLE_API_KEY` is false."""
    return AccessDenied("API keys are switched off on this service: sign in instead.", "api_keys_disabled")
