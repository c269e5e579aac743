"""Finds the drivers: one file in `drivers/` is one dialect, and nobody keeps a list."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType
from typing import cast

from modelsregistry import drivers
from modelsregistry.contract import Driver
from modelsregistry.errors import ModelMisconfigured


class BrokenDriver(Exception):
    """A file in `drivers/` does not define exactly one driver, or takes another's kind."""


@cache
def all_drivers() -> Mapping[str, type[Driver]]:
    """Kind → driver, in the order of the file names. Raises `BrokenDriver`."""
    return MappingProxyType(collect(drivers))


def driver_class(kind: str) -> type[Driver]:
    """The driver of this kind. Raises `ModelMisconfigured`: a provider's row may outlive its driver."""
    try:
        return all_drivers()[kind]
    except KeyError:
        raise ModelMisconfigured(
            "The provider of this model speaks a dialect that this version does not know.", "dialect_unknown"
        ) from None


def kind_choices() -> list[tuple[str, str]]:
    """The choices of `Provider.kind`. A callable, so that a new driver is no migration."""
    return [(kind, driver.label) for kind, driver in all_drivers().items()]


def collect(package: ModuleType) -> dict[str, type[Driver]]:
    """The drivers of one package; a module whose name begins with `_` is none. Raises `BrokenDriver`."""
    found: dict[str, type[Driver]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        driver = _driver_in(importlib.import_module(f"{package.__name__}.{info.name}"))
        if driver.kind in found:
            raise BrokenDriver(f"{driver.__module__} and {found[driver.kind].__module__} both are {driver.kind!r}")
        found[driver.kind] = driver
    return found


def _driver_in(module: ModuleType) -> type[Driver]:
    candidates = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and "kind" in vars(member)
    ]
    if len(candidates) != 1:
        raise BrokenDriver(f"{module.__name__} defines {len(candidates)} drivers, where one is expected")
    return cast(type[Driver], candidates[0])  # `checks` proves it
