"""A service under load, its workers recycled and killed, and a real Prometheus that looks at it all the while."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from tests import samples
from tests.deploy.prometheus_server import Prometheus, expressions, running_prometheus
from tests.exposition import counted
from tests.exposition import samples as parsed
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.stack.processes import until
from tests.stack.service import RunningService, free_port, running_service
from tests.stack.test_work import Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

TOKEN = "a-token-of-the-scraper"
CLIENTS, EACH = 4, 4
SETTINGS = """
from django.contrib.auth.models import User
from modelsregistry.models import Provider, RegisteredModel
from processing.access.models import CallerLimits
RegisteredModel.objects.update(input_price=2, output_price=10)
Provider.objects.update(max_concurrency=4)
CallerLimits.objects.create(user=User.objects.create_user("limited"), per_minute=5)
"""
ERASE = """
from django.contrib.auth.models import User
from processing.access import audit
from processing.operations import erasure
print(erasure.erase_owner(User.objects.get(username="somebody"), audit.SERVICE))
"""


@dataclass
class Watched:
    """A service, the address of its metrics, who looks at it, and what was seen; `ended` are tasks by their end."""

    service: RunningService
    address: str
    prometheus: Prometheus
    ended: Counter[str] = field(default_factory=Counter)
    seen: list[dict[str, float]] = field(default_factory=list)

    def scrape(self, *modules: str) -> dict[str, float]:
        reply = self.asked("/metrics", *modules, token=TOKEN)
        assert reply.status_code == 200, reply.text
        return parsed(reply.text)

    def asked(self, path: str, *modules: str, token: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(self.address + path, params={"module": modules}, headers=headers, timeout=30, trust_env=False)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Scrape again and again meanwhile."""
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                self.seen.append(counted(self.scrape("api_v2")))

        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look)
            try:
                yield
            finally:
                done.set()
            looking.result()


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[Watched]:
    """After a load: tasks that were answered, one that failed, one that was cancelled, one whose worker was killed."""
    port, directory = free_port(), tmp_path_factory.mktemp("metrics")
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.stack.recycling_settings",
        "API_V2_METRICS_PORT": port,
        "API_V2_METRICS_TOKEN": TOKEN,
        "API_V2_MAX_CONCURRENT": 2,
        "ENABLE_MODEL_CACHE": "true",
        "ENABLE_PROCESSING_CACHE": "true",
        **upstream.variables,
    }
    with (
        running_service(directory / "data", **variables) as service,
        running_prometheus(directory / "prometheus", f"127.0.0.1:{port}", TOKEN) as prometheus,
    ):
        service.manage("shell", "--no-imports", "-c", SETTINGS)
        found = Watched(service, f"http://127.0.0.1:{port}", prometheus)
        prometheus.until("api_v2_worker_hosts", 1)
        with found.looking():
            load(found, upstream)
        yield found


def load(watched: Watched, upstream: StandIn) -> None:
    key = watched.service.key

    def client(number: int) -> list[str]:
        caller = Caller(watched.service, key=key)
        texts = [f"{samples.INVOICE}\nNumber {number}." for _ in range(EACH)]
        return [caller.submit("invoice.txt", text.encode(), model="local") for text in texts]

    with ThreadPoolExecutor(CLIENTS) as pool:
        tasks = [task for found in pool.map(client, range(CLIENTS)) for task in found]
    caller = Caller(watched.service, key=key)
    watched.ended.update(caller.ended(task)["status"] for task in tasks)

    upstream.script(stand_in.stall(), stand_in.answer("Forty-two."))
    lost = caller.submit("invoice.txt", b"One whose worker is killed.", model="reader")
    until(lambda: upstream.received)
    holder = int(watched.service.manage("shell", "--no-imports", "-c", HOLDER.format(lost)))
    psutil.Process(holder).kill()
    body = caller.ended(lost)
    assert body["attempts"] == 2
    watched.ended[body["status"]] += 1

    upstream.script(stand_in.respond(400, {"error": {"message": "No."}}))
    watched.ended[caller.ended(caller.submit("invoice.txt", b"One that fails.", model="reader"))["status"]] += 1

    received = len(upstream.received)
    upstream.script(stand_in.stall())
    cancelled = caller.submit("invoice.txt", b"One that is cancelled.", model="reader")
    until(lambda: len(upstream.received) > received)
    assert caller.http.delete(f"/api/v2/tasks/{cancelled}").status_code == 200
    watched.ended["cancelled"] += 1


HOLDER = "from processing.tasks.models import Task; print(Task.objects.get(id='{}').worker_pid)"


def test_it_works(watched: Watched) -> None:
    """What callers saw is what is told, over all processes; and Prometheus has it."""
    until(lambda: watched.scrape("api_v2")["api_v2_cancelled_tasks_total"])  # an answer is a second old at most
    found = watched.scrape("api_v2")
    assert watched.ended == {"completed": CLIENTS * EACH + 1, "failed": 1, "cancelled": 1}
    assert found["api_v2_completed_tasks_total"] == watched.ended["completed"]
    assert sum(value for name, value in found.items() if name.startswith("api_v2_failed_tasks_total")) == 1
    assert found["api_v2_cancelled_tasks_total"] == 1
    assert found["api_v2_submitted_tasks_total"] == watched.ended.total()
    assert found['api_v2_ended_attempts_total{ending="lost"}'] == 1
    assert found['api_v2_ended_attempts_total{ending="completed"}'] == watched.ended["completed"]
    assert found["api_v2_processing_time_seconds_count"] == watched.ended["completed"]
    assert found['api_v2_cost_dollars_total{model="local"}'] > 0
    looks = [found.get(f'api_v2_cache_lookups_total{{cache="reading",result="{each}"}}', 0) for each in ("hit", "miss")]
    assert sum(looks) >= watched.ended.total() - 1
    assert found["api_v2_up"] == found["api_v2_worker_hosts"] == 1
    watched.prometheus.until("api_v2_completed_tasks_total", watched.ended["completed"])


def test_no_total_fell_while_workers_came_and_went(watched: Watched) -> None:
    assert len(watched.seen) > 3
    fallen = [
        (name, before, later[name])
        for earlier, later in zip(watched.seen, watched.seen[1:], strict=False)
        for name, before in earlier.items()
        if later[name] < before
    ]
    assert fallen == []


def test_every_expression_of_the_dashboard_is_answered(watched: Watched) -> None:
    """A rate takes two scrapes of a series, which may have begun just now."""
    for each in expressions():
        until(lambda: watched.prometheus.ask(each))  # noqa: B023


def test_every_rule_is_evaluated_and_none_fires_for_nothing(watched: Watched) -> None:
    watched.prometheus.until('min_over_time(up{job="openwebui-api-v2"}[5s])', 1)
    rules = until(lambda: [each for each in watched.prometheus.rules() if all_evaluated(watched.prometheus)])
    assert {each["name"]: each.get("lastError") for each in rules if each["health"] != "ok"} == {}
    firing = {each["name"] for each in rules if each["state"] == "firing"}
    assert firing <= {"HighMemoryUsage", "CriticalMemoryUsage", "DiskAlmostFull", "DiskFull"}  # the machine's own


def all_evaluated(prometheus: Prometheus) -> bool:
    return all(each["health"] != "unknown" for each in prometheus.rules())


def test_refusals_are_counted_over_all_web_processes(watched: Watched) -> None:
    key = watched.service.manage("create_api_key", "--user", "limited").strip()

    def ask(_number: int) -> int:
        headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
        return httpx.get(
            f"{watched.service.url}/api/v2/usage", headers=headers, timeout=30, trust_env=False
        ).status_code

    with ThreadPoolExecutor(CLIENTS) as pool:
        refused = Counter(pool.map(ask, range(40)))[429]
    assert refused >= 30
    name = 'api_v2_refused_requests_total{code="rate_limited"}'
    until(lambda: watched.scrape("api_v2").get(name) == refused)


def test_a_stranger_is_closed_out(watched: Watched) -> None:
    assert watched.asked("/metrics").status_code == 401
    assert watched.asked("/metrics", token="sk-another").status_code == 401
    assert watched.asked("/api/v2/health", token=TOKEN).status_code == 404
    assert httpx.get(f"{watched.service.url}/metrics", trust_env=False).status_code == 404


def test_what_a_web_process_counted_outlives_it(watched: Watched) -> None:
    def requests() -> float:
        found = watched.scrape("django")
        return sum(value for name, value in found.items() if name.startswith("django_http_requests_total_by_method"))

    before = requests()
    assert before > CLIENTS * EACH
    parent = int((watched.service.data_dir / "metrics" / "web.pid").read_text())
    victim = psutil.Process(parent).children()[-1]
    victim.kill()
    until(lambda: not psutil.pid_exists(victim.pid))
    assert requests() >= before
    assert not list((watched.service.data_dir / "metrics").glob(f"*_{victim.pid}.db"))
    until(lambda: watched.scrape("process")["process_processes"] == 3)


def test_erasing_everything_lowers_nothing(watched: Watched) -> None:
    before = counted(watched.scrape("api_v2"))
    watched.service.manage("shell", "--no-imports", "-c", ERASE)
    after = counted(watched.scrape("api_v2"))
    assert {name: after[name] for name in before if after[name] < before[name]} == {}


def test_the_guides_job_works_as_it_is_written(service: RunningService) -> None:
    """Where nothing is closed: on the port of the API."""
    reply = httpx.get(f"{service.url}/metrics", params={"module": "api_v2"}, trust_env=False, timeout=30)
    assert reply.status_code == 200
    assert {each.partition("_")[0] for each in parsed(reply.text)} == {"api"}
