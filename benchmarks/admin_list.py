"""The admin with a million tasks, beside a thousand: the list's first page, pages far back, filters, searches."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.service import bare_environment, manage
from benchmarks.table import Row
from tests.postgres.server import MissingServerError, running_server

_FEW, _MANY = 1_000, 1_000_000
_TIMES = 7
_GOAL = 0.300  # seconds
LIST = "/admin/processing/task/"


def rows() -> list[Row]:
    """A row for each page on SQLite, and on PostgreSQL where its server is installed."""
    with tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        data = Path(directory)
        found = _measured("SQLite", bare_environment(data / "few"), bare_environment(data / "many"))
    with contextlib.suppress(MissingServerError), _postgresql() as (few, many):
        found += _measured("PostgreSQL", few, many)
    return found


def measure() -> None:
    """Print the median seconds of each page as JSON, and of this process's processor time for it. Runs inside Django,
    through all its middleware."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client
    from django.utils import timezone

    from processing.admin import dashboard

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    found = {}
    for name, address in _pages(timezone.now()).items():
        seconds, worked = [], []
        for _ in range(_TIMES):
            dashboard.forget()
            began, at_work = time.perf_counter(), time.process_time()
            answer = client.get(address)
            seconds.append(time.perf_counter() - began)
            worked.append(time.process_time() - at_work)
            if answer.status_code != 200:
                raise RuntimeError(f"{address}: {answer.status_code}")
        found[name] = (statistics.median(seconds[1:]), statistics.median(worked[1:]))
    print(json.dumps(found))


def _pages(now: object) -> dict[str, str]:
    from datetime import datetime, timedelta
    from urllib.parse import urlencode

    from processing.tasks.models import Task

    assert isinstance(now, datetime)
    newest = Task.objects.order_by("-seq")[0]
    middle = Task.objects.filter(seq__lte=newest.seq // 20).order_by("-seq")[0]
    last_month = (now - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M")
    month_before = (now - timedelta(days=21)).strftime("%Y-%m-%dT%H:%M")
    queries = {
        "first page": {},
        "a page 95 % of the way back": {"older_than": str(middle.seq)},
        "state: failed": {"status__exact": "failed"},
        "state: completed, far back": {"status__exact": "completed", "older_than": str(middle.seq)},
        "a model of most": {"model": "local"},
        "a model of few": {"model": "rare"},
        "a model of none": {"model": "none"},
        "an owner of few": {"owner": "one-of-few"},
        "an error code of few": {"error_code": "document_encrypted"},
        "a day three weeks ago": {"since": month_before, "until": last_month},
        "model, state and time at once": {"model": "rare", "status__exact": "failed", "since": month_before},
        "search by id": {"q": str(middle.id)},
        "search for a file name": {"q": "invoice-77"},
        "search that finds nothing": {"q": "no such words"},
    }
    pages = {name: f"{LIST}?{urlencode(query)}" for name, query in queries.items()}
    return {**pages, "one task": f"{LIST}{middle.pk}/change/", "dashboard": "/admin/"}


def _measured(database: str, few: Mapping[str, str], many: Mapping[str, str]) -> list[Row]:
    for environment, count in ((few, _FEW), (many, _MANY)):
        manage("migrate", "-v0", environment=environment)
        _shell(f"from benchmarks.filling import fill, age; fill({count}); age({count})", environment)
    of_few, of_many = _medians(few), _medians(many)
    return [
        Row(
            f"admin with {_MANY:,} tasks, {name}, {database}",
            f"p50 {seconds * 1000:.0f} ms (processor {worked * 1000:.0f} ms); {seconds / of_few[name][0]:.2f}× "
            f"of that with {_FEW:,}",
            f"≤ {_GOAL * 1000:.0f} ms",
            seconds <= _GOAL,
        )
        for name, (seconds, worked) in of_many.items()
    ]


def _medians(environment: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = json.loads(
        _shell("from benchmarks.admin_list import measure; measure()", environment)
    )
    return found


def _shell(code: str, environment: Mapping[str, str]) -> str:
    return manage("shell", "--no-imports", "-v0", "-c", code, environment=environment)


@contextlib.contextmanager
def _postgresql() -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    with running_server(fsync=True) as server, tempfile.TemporaryDirectory(prefix="apiv2-bench-") as directory:
        data = Path(directory)
        yield (
            {**bare_environment(data / "few"), "DATABASE_URL": server.create_database("few")},
            {**bare_environment(data / "many"), "DATABASE_URL": server.create_database("many")},
        )
