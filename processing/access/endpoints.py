"""Which endpoints a key may call: by whole segments of the route that a request came to, whatever its spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups
from django.core.checks import CheckMessage, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver

ANY = "{}"  # a segment that the caller fills in, whatever it is named
_VARIABLE = re.compile(r"<[^/]*>|\{[^/]*\}")

Segments = tuple[str, ...]


@lru_cache(maxsize=1024)
def segments(path: str) -> Segments:
    """Of a path as people write it: slashes that are doubled or last count for nothing, `<id>` and `{id}` are alike."""
    return tuple(_VARIABLE.sub(ANY, each) for each in path.split("/") if each)


@lru_cache(maxsize=1024)
def called(route: str) -> Segments:
    """Of the route that Django resolved a request to, such as `api/v2/status/(?P<task_id>…)/?$`."""
    return segments(replace_metacharacters(replace_named_groups(route)).replace("\\", ""))


def allows(entries: Iterable[str], route: str) -> bool:
    """Whether one of the entries is the route, or what the route is below: `/api/v2/status` is for
    `/api/v2/status/<task_id>`, and not for `/api/v2/status-of-all`."""
    asked = called(route)
    return any(asked[: len(each)] == each for each in map(segments, entries))


def leads_somewhere(entry: str) -> bool:
    """Whether the service has an endpoint that the entry allows."""
    wanted = segments(entry)
    return any(each[: len(wanted)] == wanted for each in _served())


@lru_cache(maxsize=1)
def _served() -> frozenset[Segments]:
    return frozenset(_walked(get_resolver().url_patterns, ""))


def _walked(patterns: Iterable[Any], before: str) -> Iterator[Segments]:
    """All routes but those of the admin's pages, which take no keys."""
    for each in patterns:
        route = before + str(each.pattern).removeprefix("^")
        if isinstance(each, URLPattern):
            yield called(route)
        elif isinstance(each, URLResolver) and each.app_name != "admin":
            yield from _walked(each.url_patterns, route)


@register()
def check_setting(**_: Any) -> list[CheckMessage]:
    """A path that is no endpoint's would shut keys out without a word."""
    unknown = [each for each in settings.API_KEY_ALLOWED_ENDPOINTS if not leads_somewhere(each)]
    return [
        Warning(f"API_KEY_ALLOWED_ENDPOINTS names {each}, which is no endpoint of the service.", id="processing.W021")
        for each in unknown
    ]
