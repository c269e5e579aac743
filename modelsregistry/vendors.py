"""The providers that the environment can name: one row of a table each, whatever their dialect."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelsregistry.shipped import ANTHROPIC_MODELS, GEMINI_MODELS, OLLAMA_MODELS, OPENAI_MODELS, ModelSeed

_VERSION_OF_A_MODEL = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})")


def _no_options(_: str) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Vendor:
    """A dialect with the variables that make a provider of it, and the models that come with it.

    `address` is the vendor's own service, empty where there is none. `models_at_home` says that the models are to be
    found there alone; `lists_all` that even a server of one's own lists whatever it serves. `models_variable` is the
    variable that lists models by hand. `options(url)` are the provider's options at that address.
    """

    kind: str
    name: str
    address_variables: tuple[str, ...]
    key_variables: tuple[str, ...] = ()
    address: str = ""
    models: tuple[ModelSeed, ...] = ()
    models_at_home: bool = False
    lists_all: bool = False
    models_variable: str = ""
    options: Callable[[str], dict[str, str]] = _no_options

    @property
    def variables(self) -> tuple[str, ...]:
        return (*self.address_variables, *self.key_variables)

    def is_home(self, url: str) -> bool:
        """Whether the address is the vendor's own service."""
        return bool(self.address) and urlsplit(url).hostname == urlsplit(self.address).hostname

    def named(self, variables: Mapping[str, str]) -> tuple[ModelSeed, ...]:
        """The models that `models_variable` lists: ids with commas between them; `:vision` after an id says that the
        model sees pictures."""
        names = [name.strip() for name in variables.get(self.models_variable, "").split(",")]
        return tuple(
            ModelSeed(public_id=upstream, upstream_id=upstream, vision=name.endswith(":vision"))
            for name in names
            if (upstream := name.removesuffix(":vision"))
        )


_OPENAI = "https://api.openai.com/v1"


def _openai_options(url: str) -> dict[str, str]:
    """OpenAI's own service refuses `max_tokens` for its newer models; those that imitate it know nothing else."""
    at_home = urlsplit(url).hostname == urlsplit(_OPENAI).hostname
    return {"token_cap_field": "max_completion_tokens" if at_home else "max_tokens"}


VENDORS = (
    Vendor(
        kind="openai_compatible",
        name="OpenAI",
        address_variables=("OPENAI_API_BASE_URL",),
        key_variables=("OPENAI_API_KEY",),
        address=_OPENAI,
        models=OPENAI_MODELS,
        models_at_home=True,
        models_variable="OPENAI_API_MODELS",
        options=_openai_options,
    ),
    Vendor(
        kind="anthropic",
        name="Anthropic",
        address_variables=("ANTHROPIC_API_BASE_URL",),
        key_variables=("ANTHROPIC_API_KEY",),
        address="https://api.anthropic.com",
        models=ANTHROPIC_MODELS,
    ),
    Vendor(
        kind="gemini",
        name="Gemini",
        address_variables=("GEMINI_API_BASE_URL",),
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        address="https://generativelanguage.googleapis.com",
        models=GEMINI_MODELS,
    ),
    Vendor(
        kind="ollama",
        name="Ollama",
        address_variables=("OLLAMA_BASE_URL", "OLLAMA_API_BASE_URL"),
        models=OLLAMA_MODELS,
        lists_all=True,
    ),
    Vendor(
        kind="open_webui",
        name="Open WebUI",
        address_variables=("OPEN_WEBUI_BASE_URL",),
        key_variables=("OPEN_WEBUI_API_KEY",),
        lists_all=True,
    ),
)

_BY_KIND = {vendor.kind: vendor for vendor in VENDORS}
_SHIPPED = {seed.public_id: (vendor, seed) for vendor in VENDORS for seed in vendor.models}


def vendor_of(kind: str) -> Vendor | None:
    """The row of this dialect."""
    return _BY_KIND.get(kind)


def shipped(public_id: str) -> tuple[Vendor, ModelSeed] | None:
    """What is known from the start of the model with this id, and whose it is."""
    return _SHIPPED.get(public_id)


def lists_all(kind: str, url: str) -> bool:
    """Whether a model that the provider's list lacks is not to be had there. Servers of one's own often take more names
    than they list."""
    vendor = vendor_of(kind)
    return vendor is not None and (vendor.lists_all or vendor.is_home(url))


def is_among(upstream_id: str, listed: frozenset[str]) -> bool:
    """Whether a list names the model, if only by one version of it (`…-20261007`) or, as Ollama does, by its tag."""
    name = upstream_id.removeprefix("models/")
    if name in listed or f"{name}:latest" in listed:
        return True
    return any(id_.startswith(name) and _VERSION_OF_A_MODEL.fullmatch(id_[len(name) :]) for id_ in listed)
