"""The system check of the formats: a member that is not shaped as the contract says is named at start."""

from __future__ import annotations

import re
from typing import Any

from django.core.checks import CheckMessage, Error, register

from processing.documents import registry
from processing.documents.contract import Format

_NAME = re.compile(r"[a-z0-9]{1,16}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_VERBS = ("matches", "inspect", "read")


@register
def check_formats(**_: Any) -> list[CheckMessage]:
    """E001: the formats cannot be collected. E002: a format is not what the contract asks for."""
    try:
        members = registry.all_formats()
    except (AttributeError, ImportError, ValueError) as error:
        return [Error(f"The document formats cannot be collected: {error}", id="processing.documents.E001")]
    return [
        Error(f"The document format {name!r}: {fault}.", id="processing.documents.E002")
        for name, member in members.items()
        for fault in faults(member)
    ]


def faults(member: Format) -> list[str]:
    """What is wrong with the shape of a format, in words."""
    found = []
    if not _NAME.fullmatch(str(getattr(member, "name", ""))):
        found.append("its name is not made of up to 16 small letters and digits")
    extensions = getattr(member, "extensions", None)
    if not isinstance(extensions, tuple) or not extensions or not all(_NAME.fullmatch(each) for each in extensions):
        found.append("its extensions are not a tuple of small letters and digits")
    if not _MEDIA_TYPE.fullmatch(str(getattr(member, "media_type", ""))):
        found.append("its media type is none")
    if not isinstance(getattr(member, "modules", None), tuple):
        found.append("its modules are not a tuple")
    found += [f"it has no {verb}()" for verb in _VERBS if not callable(getattr(member, verb, None))]
    return found
