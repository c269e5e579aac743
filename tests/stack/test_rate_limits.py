"""Two web processes and many connections: N allowed means N, and a change holds for all of them within two seconds."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.stack.service import RunningService

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

CLIENTS = 8
REQUESTS = 12  # of each
LIMIT = 60
WITHIN = 2.0  # seconds


def limited_key(service: RunningService) -> str:
    key = service.key
    run(service, f"CallerLimits.objects.create(key=ApiKey.objects.get(prefix='{key[:8]}'), per_day={LIMIT})")
    return key


def run(service: RunningService, statement: str) -> None:
    service.manage(
        "shell", "--no-imports", "-c", f"from processing.access.models import ApiKey, CallerLimits; {statement}"
    )


def asked(service: RunningService, key: str, times: int) -> Counter[int]:
    """The statuses of so many calls, each over a connection of its own, which any process may take."""
    found: Counter[int] = Counter()
    for _ in range(times):
        reply = httpx.get(f"{service.url}/api/v2/tasks", headers={"Authorization": f"Bearer {key}"}, timeout=60)
        found[reply.status_code] += 1
    return found


def test_it_works(service: RunningService) -> None:
    key = limited_key(service)
    with ThreadPoolExecutor(CLIENTS) as pool:
        crowd = [pool.submit(asked, service, key, REQUESTS) for _ in range(CLIENTS)]
        found = sum((each.result() for each in crowd), Counter[int]())
    assert found == {200: LIMIT, 429: CLIENTS * REQUESTS - LIMIT}

    run(service, f"CallerLimits.objects.filter(key__prefix='{key[:8]}').update(per_day={LIMIT + 20})")
    time.sleep(WITHIN)  # the promise itself
    assert asked(service, key, 20) == {200: 20}
    assert asked(service, key, 5) == {429: 5}
