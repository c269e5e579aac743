"""Which formats there are, and which of them a file is: its name and its content must agree."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Collection, Iterable
from types import ModuleType

from processing.documents import formats
from processing.documents.contract import Format
from processing.errors import InvalidInput

HEAD = 8192
# Without an extension nothing is taken for text before all else has been tried, and of text these come first: whatever
# is left is plain.
TEXTS = ("html", "txt")
# Formats that are not read, or only where they are switched on, and what programs save them as that is.
SAVE_AS = {"doc": "docx", "dot": "docx", "ppt": "pptx", "pps": "pptx", "xlsb": "xlsx", "heic": "jpg", "heif": "jpg"}
ATTRIBUTE = "FORMAT"


@functools.cache
def all_formats() -> dict[str, Format]:
    """Every format by its name, in alphabetical order: one for each module of `formats/`."""
    return collect(
        importlib.import_module(f"{formats.__name__}.{module.name}")
        for module in sorted(pkgutil.iter_modules(formats.__path__), key=lambda each: each.name)
    )


def collect(modules: Iterable[ModuleType]) -> dict[str, Format]:
    """The formats of these modules by name. Raises `ValueError` if two of them claim one name or extension."""
    found: dict[str, Format] = {}
    claimed: dict[str, str] = {}
    for module in modules:
        member: Format = getattr(module, ATTRIBUTE)
        if member.name in found:
            raise ValueError(f"Two formats are named {member.name!r}; the second is in {module.__name__}.")
        found[member.name] = member
        for extension in member.extensions:
            if extension in claimed:
                raise ValueError(f"Two formats claim .{extension}: {claimed[extension]} and {member.name}.")
            claimed[extension] = member.name
    return found


def named(name: str) -> Format:
    """The format of that name. Raises `KeyError` where there is none."""
    return all_formats()[name]


def enabled(supported: Collection[str]) -> list[Format]:
    """The formats that a list of names allows; an extension stands for its format, so `jpeg` allows jpg files too."""
    names = {name.strip().lower().lstrip(".") for name in supported}
    return [each for each in all_formats().values() if names & {each.name, *each.extensions}]


def enclosable(supported: Collection[str], blocked: Collection[str]) -> frozenset[str]:
    """The names of the formats whose files are read where they are attached to a message: those that are taken, but for
    pictures, of which most are ornaments."""
    banned = {name.strip().lower().lstrip(".") for name in blocked}
    taken = (each for each in enabled(supported) if not each.media_type.startswith("image/"))
    return frozenset(each.name for each in taken if not banned & {each.name, *each.extensions})


def is_picture(filename: str) -> bool:
    """Whether a file of this name can only be a picture."""
    last = _extensions(filename)[-1:]
    return any(each.media_type.startswith("image/") for each in all_formats().values() if {*last} & {*each.extensions})


def identify(filename: str, head: bytes, *, supported: Collection[str], blocked: Collection[str]) -> Format:
    """The format of a file by its name and its first `HEAD` bytes; without an extension, by content alone.

    Raises `InvalidInput` with the code `blocked_type`, `empty_file`, `unsupported_type` or `type_mismatch`.
    """
    extensions = _extensions(filename)
    _refuse_blocked(extensions, blocked)
    if not head:
        raise InvalidInput("The file is empty.", "empty_file")
    candidates = enabled(supported)
    if not extensions:
        return _by_content(head, candidates)
    last = extensions[-1]
    kind = next((each for each in candidates if last in each.extensions), None)
    if kind is None:
        advice = f"Save it as {SAVE_AS[last]}, and send that. " if last in SAVE_AS else ""
        raise InvalidInput(
            f"Files of type .{last[:20]} are not supported. {advice}{_choices(candidates)}", "unsupported_type"
        )
    if not kind.matches(head):
        raise InvalidInput(
            f"The file is named .{last}, but its content is {_looks_like(head)}. Send it under its own type.",
            "type_mismatch",
        )
    return kind


def _extensions(filename: str) -> list[str]:
    """What follows the dots of a name, in lower case, without what Windows ignores at the end of one.

    A leading dot begins a hidden file, and is no extension.
    """
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].strip().rstrip(". ").lstrip(".")
    return [part.strip().lower() for part in name.split(".")[1:] if part.strip()]


def _refuse_blocked(extensions: list[str], blocked: Collection[str]) -> None:
    """The last extension is blocked, and so is one before it: `report.exe.pdf` is meant to deceive."""
    banned = {name.strip().lower().lstrip(".") for name in blocked} - {""}
    for extension in extensions:
        if extension in banned:
            raise InvalidInput(f"Files of type .{extension[:20]} are not allowed.", "blocked_type")


def _by_content(head: bytes, candidates: list[Format]) -> Format:
    """The first format that the content fits; plain text, which fits the most, comes last."""
    for kind in sorted(candidates, key=_generality):
        if kind.matches(head):
            return kind
    raise InvalidInput(
        f"The file has no extension, and its content is {_looks_like(head)}. {_choices(candidates)}",
        "unsupported_type",
    )


def _generality(kind: Format) -> tuple[bool, int]:
    return kind.media_type.startswith("text/"), TEXTS.index(kind.name) if kind.name in TEXTS else len(TEXTS)


def _choices(candidates: list[Format]) -> str:
    return f"Supported types: {', '.join(sorted(each.name for each in candidates)) or 'none'}."


def _looks_like(head: bytes) -> str:
    """What the content is, in words for a person."""
    fitting = [kind.name for kind in all_formats().values() if not _generality(kind)[0] and kind.matches(head)]
    if len(fitting) == 1:
        return f"of type {fitting[0]}"
    guess = _signature(head)
    if guess:
        return f"of type {guess}"
    return "plain text" if any(kind.matches(head) for kind in all_formats().values()) else "of another type"


def _signature(head: bytes) -> str:
    import puremagic

    try:
        return str(puremagic.from_string(head)).lstrip(".")[:20]
    except (puremagic.PureError, ValueError):
        return ""
