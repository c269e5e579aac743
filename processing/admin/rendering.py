"""Turns what strangers wrote (names, prompts, answers) into markup that shows it and does nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processing.runtime.overrides import Difference

LINE_LENGTH = 40
# A browser lays out a text of this length at once; an answer that repeats a whole book is better fetched by the API.
BLOCK_LENGTH = 200_000

# Controls, and the marks that turn the reading direction round: "gpj.exe" must not read as "exe.jpg".
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]")
_BREAKS = re.compile(r"[\t\n]")


def visible(text: str) -> str:
    """The text with characters that hide or reorder others spelled out, such as `\\u202e`."""
    return _HIDDEN.sub(_spelled, text)


def line(text: str, length: int = LINE_LENGTH) -> SafeString:
    """A name on one line: cut where it is long, whole in its tooltip, and a dash where there is none."""
    if not text:
        return SafeString("-")
    shown = _BREAKS.sub(_spelled, visible(text))
    short = shown if len(shown) <= length else shown[: length - 1] + "…"
    return format_html('<bdi title="{}">{}</bdi>', shown, short)


def block(text: str) -> SafeString:
    """A text of many lines as it is."""
    return format_html('<div class="shown-text" dir="auto">{}</div>', _cut(visible(text)))


def code(text: str) -> SafeString:
    """A short technical word, such as an id."""
    return format_html('<code class="shown-code">{}</code>', visible(text))


def as_json(value: Any) -> SafeString:
    """Any JSON value, indented."""
    text = json.dumps(value, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
    return format_html('<pre class="shown-text shown-json">{}</pre>', _cut(visible(text)))


@lru_cache(maxsize=256)  # A list has the same few in every row.
def badge(text: str, kind: str = "") -> SafeString:
    """A coloured label; `kind` is `success`, `danger`, `warning`, `info` or nothing."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})


def differences(found: Sequence[Difference], limit: int | None = None, length: int = BLOCK_LENGTH) -> SafeString:
    """Settings with what they were and what they are; of many the first `limit`, of long values the beginning."""
    shown = [
        {"key": visible(each.key), "old": _value(each.old, length), "new": _value(each.new, length)}
        for each in found[:limit]
    ]
    return render_to_string(
        "processing/admin/differences.html", {"differences": shown, "left": len(found) - len(shown)}
    )


def _value(value: Any, length: int) -> str:
    """A setting's value; empty where its default holds."""
    if value is None:
        return ""
    text = visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= length else text[: length - 1] + "…"


def citations(found: list[Mapping[str, Any]]) -> SafeString:
    """The passages that an answer rests on: the contract's `page`, `text` and `score`."""
    return render_to_string(
        "processing/admin/citations.html",
        {"citations": [{name: visible(str(value)) for name, value in passage.items()} for passage in found]},
    )


def duration(length: timedelta) -> str:
    """Seconds for what is short, hours and minutes for what is long."""
    seconds = length.total_seconds()
    if seconds < 60:
        return _("%(seconds).1f s") % {"seconds": seconds}
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _spelled(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _cut(text: str) -> str:
    left = len(text) - BLOCK_LENGTH
    if left <= 0:
        return text
    return text[:BLOCK_LENGTH] + "\n" + _("… and %(left)d more characters, which the API returns.") % {"left": left}
