"""The page `docs/parameters.md`, made from the parameters themselves."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from processing.runtime.schema import Setting, every_setting

_HEAD = """\
# Parameters

Made from `processing/runtime/parameters.py` by `.venv/bin/python manage.py parameter_table`; a test compares the two.
How to change them, and how to take a change back: [configuration.md](configuration.md).

Each is set in the admin, by `POST /admin/config`, or, as a default, by `API_V2_ADMIN_CONFIG`; some have a variable of
their own besides.
"""
_COLUMNS = "| Parameter | Type | Default | Meaning | Variable |\n|---|---|---|---|---|\n"


def markdown() -> str:
    """The whole page."""
    page = _HEAD
    for section, settings in groupby(every_setting(), key=lambda setting: setting.section):
        page += f"\n## {section}\n\n{_COLUMNS}" + "".join(map(_line, settings))
    return page


def _line(setting: Setting) -> str:
    kind = setting.kind + _bounds(setting) + (" or null" if setting.nullable else "")
    variable = f"`{setting.variable}`" if setting.variable else ""
    meaning = setting.takes.replace("|", "\\|")
    return f"| `{setting.name}` | {kind} | {_default(setting.default)} | {meaning} | {variable} |\n"


def _bounds(setting: Setting) -> str:
    if setting.minimum is None or setting.maximum is None:
        return ""
    return f" {setting.minimum:.15g} to {setting.maximum:.15g}"


def _default(value: Any) -> str:
    return "`" + json.dumps(value, ensure_ascii=False).replace("|", "\\|") + "`"
