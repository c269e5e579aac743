"""Places that requests hold while they are served: so many of a kind, and no more than a share of them for one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from django.http import HttpRequest

from processing.api.addresses import client_address

Owners = frozenset[str]
GiveBack = Callable[[], None]
NOBODY: Owners = frozenset()


def owners(request: HttpRequest) -> Owners:
    """Whose a request says that it is, which nobody has looked at yet: the keys and tokens that it carries, or else the
    client's address. It counts for each of two that it carries, so that one who invents a key beside their own gains
    nothing; who shows none but an invented one is refused before they wait."""
    scheme, _, bearer = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    shown = {bearer.strip() if scheme.lower() == "bearer" else "", request.META.get("HTTP_X_API_KEY", "").strip()}
    return frozenset(shown - {""}) or frozenset({client_address(request)})


class Places:
    """`count` places, of which each owner may hold `share` at the same time; all of them without one."""

    def __init__(self, count: int, share: int | None = None) -> None:
        self._free = count
        self._share = count if share is None else share
        self._held: Counter[str] = Counter()
        self._changed = threading.Condition()

    def take(self, owners: Owners = NOBODY, within: float = 0.0) -> GiveBack | None:
        """Take a place, waiting so many seconds for one at most; returns how to give it back, None where there is
        none."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_one_for(owners), within):
                return None
            self._free -= 1
            self._held.update(owners)
        return lambda: self._give_back(owners)

    def _has_one_for(self, owners: Owners) -> bool:
        return self._free > 0 and all(self._held[owner] < self._share for owner in owners)

    def _give_back(self, owners: Owners) -> None:
        with self._changed:
            self._free += 1
            for owner in owners:
                self._held[owner] -= 1
                if not self._held[owner]:
                    del self._held[owner]
            self._changed.notify()
