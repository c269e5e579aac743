"""Every route of the service but the pages of the admin site, found in the URLconf: a new one cannot be forgotten."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from processing.api.permissions import Administrator, SignedIn

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
UNSAFE = ("post", "put", "patch", "delete")
NOBODYS = str(uuid.UUID(int=0, version=4))
NOBODYS_NUMBER = "987654"


@dataclass(frozen=True)
class Route:
    """One pattern. `parameters` are the names in its path; `methods` those that it serves."""

    name: str
    parameters: tuple[str, ...]
    methods: tuple[str, ...]
    is_for_administrators: bool
    is_for_people: bool

    def path(self, **values: Any) -> str:
        return reverse(self.name, kwargs=values)

    def nobodys_path(self) -> str:
        """The path of something that does not exist."""
        for nobodys in itertools.product((NOBODYS, NOBODYS_NUMBER), repeat=len(self.parameters)):
            with contextlib.suppress(NoReverseMatch):
                return self.path(**dict(zip(self.parameters, nobodys, strict=True)))
        raise AssertionError(f"{self.name} takes neither a UUID nor a number; say here what it takes")

    def __str__(self) -> str:
        return self.name


def every_route() -> list[Route]:
    return sorted(_found(get_resolver()), key=str)


def _found(resolver: URLResolver) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from _found(pattern)
        elif pattern.name is not None:
            yield _route(pattern)


def _route(pattern: URLPattern) -> Route:
    view = pattern.callback
    actions = getattr(view, "actions", None)
    kind = getattr(view, "cls", None)
    served = actions or [method for method in METHODS if kind is None or hasattr(kind, method)]
    parameters = getattr(pattern.pattern, "regex").groupindex  # noqa: B009  (both kinds of pattern have one)
    permissions = getattr(kind, "permission_classes", ())
    return Route(
        name=str(pattern.name),
        parameters=tuple(parameters),
        methods=tuple(served),
        is_for_administrators=any(isinstance(each, type) and issubclass(each, Administrator) for each in permissions),
        is_for_people=SignedIn in permissions,
    )
