"""A system check over the drivers: a broken file in `drivers/` stops the start and is named."""

from __future__ import annotations

import inspect
from typing import Any

from django.core.checks import CheckMessage, Error, register

from modelsregistry.contract import Driver
from modelsregistry.discovery import BrokenDriver, all_drivers


@register()
def check_drivers(**_: Any) -> list[CheckMessage]:
    """`modelsregistry.E001`: the drivers cannot be told apart; `E002`: one does not keep the contract."""
    try:
        drivers = all_drivers()
    except BrokenDriver as error:
        return [Error(str(error), id="modelsregistry.E001")]
    return [
        Error(f"{driver.__module__}.{driver.__name__}: {fault}", id="modelsregistry.E002")
        for driver in drivers.values()
        for fault in faults(driver)
    ]


def faults(driver: type[Driver]) -> list[str]:
    """What keeps a class from being a driver, in words; nothing when it is one."""
    found = [
        f"{name} is not a text of its own"
        for name in ("kind", "label")
        if not (isinstance(getattr(driver, name, None), str) and getattr(driver, name))
    ]
    if not _takes(driver, 1):
        found.append("it is not made from an endpoint alone")
    generate = getattr(driver, "generate", None)
    if not callable(generate) or not _takes(generate, 3):
        found.append("generate does not take a request and a listener")
    return found


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True
