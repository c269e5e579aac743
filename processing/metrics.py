"""Every metric that the service tells, in one table: a name, a kind, a sentence, labels.

A new one is a line here, and a word where it happens (counters, summaries, histograms: `counters`) or where it is looked
up (gauges: `operations.gauges`).

Names and kinds are Prometheus': https://prometheus.io/docs/concepts/metric_types and …/practices/naming.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TypeVar

PREFIX = "api_v2_"
SECONDS = 1_000_000  # to the second, as amounts are kept
DOLLARS = 100_000_000
_SPANS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)  # seconds
SUM, COUNT = "sum", "count"


@dataclass(frozen=True, slots=True)
class Increment:
    """What a counter rises by. `part` is empty, or tells which of a metric's series: `sum`, `count`, or the number of a
    bucket. `amount` is a whole number of the metric's smallest units, so that no sum depends on the order of adding."""

    metric: str
    part: str
    labels: tuple[str, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What a gauge is at now."""

    metric: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A name without the prefix, what it says, the names of its labels, and how many of its smallest units make one.

    `known` are values of a single label that are told from the beginning, at 0: the first rise of a series that was not
    there before is seen by nobody.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    unit: int = 1
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """Only ever rises."""

    def by(self, amount: float, *labels: str) -> tuple[Increment, ...]:
        """Rise by so much; nothing where that is nothing."""
        whole = round(amount * self.unit)
        return (Increment(self.name, "", labels, whole),) if whole > 0 else ()


@dataclass(frozen=True, slots=True)
class Summary(Metric):
    """How often something was, and how much in all; `of_late` also what half of the latest, and 95 % of them, were."""

    of_late: bool = False

    def observed(self, value: float, *labels: str) -> tuple[Increment, ...]:
        """That it was once more, and how much."""
        whole = max(0, round(value * self.unit))
        return Increment(self.name, SUM, labels, whole), Increment(self.name, COUNT, labels, 1)


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """How often it was up to each of `bounds`, and how much in all."""

    bounds: tuple[float, ...] = _SPANS

    def observed(self, value: float, *labels: str) -> tuple[Increment, ...]:
        """That it was once more, and how much."""
        bucket = str(bisect_left(self.bounds, value))
        whole = max(0, round(value * self.unit))
        return Increment(self.name, SUM, labels, whole), Increment(self.name, bucket, labels, 1)


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """Rises and falls, and is looked up when somebody asks."""

    def at(self, value: float, *labels: str) -> Sample:
        return Sample(self.name, labels, float(value))


TABLE: dict[str, Metric] = {}
Kind = TypeVar("Kind", bound=Metric)


def told(metric: Kind) -> Kind:
    """Enter a metric into the table."""
    if metric.name in TABLE:
        raise ValueError(f"there are two metrics {metric.name}")
    TABLE[metric.name] = metric
    return metric


# fmt: off
# Tasks, counted with the change of their rows.
SUBMITTED = told(Counter("submitted_tasks_total", "Tasks that were taken in."))
COMPLETED = told(Counter("completed_tasks_total", "Tasks that were answered."))
FAILED = told(Counter("failed_tasks_total", "Tasks that ended without an answer, by the error's code.", ("code",)))
CANCELLED = told(Counter("cancelled_tasks_total", "Tasks that were cancelled."))
RETRIED = told(Counter("retried_tasks_total", "Ended tasks that were put back in line."))
ENDED_ATTEMPTS = told(Counter("ended_attempts_total", "Attempts at tasks that ended, by how; those cut short by a cancel are not among them.", ("ending",), known=("completed", "failed", "given_back", "interrupted", "lost")))
ENDED_BY_MODEL = told(Counter("ended_tasks_by_model_total", "Tasks that ended, by the model and how.", ("model", "status")))
PROCESSING = told(Summary("processing_time_seconds", "Seconds that completed tasks were worked on; the quantiles are of the latest 1000 of the last 10 minutes.", unit=SECONDS, of_late=True))
WORKED = told(Histogram("processing_duration_seconds", "Seconds that completed tasks were worked on, by bucket.", unit=SECONDS))
WAITED = told(Histogram("waiting_duration_seconds", "Seconds that completed tasks waited in line once they were due, by bucket.", unit=SECONDS))
STEPS = told(Summary("step_seconds", "Seconds of completed tasks by step: read, generate, check, convert.", ("step",), SECONDS))
PAGES = told(Counter("pages_total", "Pages of the documents of completed tasks."))

# What was spent, counted with the end of the attempt that spent it.
TOKENS = told(Counter("tokens_total", "Tokens read (input) and written (output), by model.", ("model", "direction")))
COST = told(Counter("cost_dollars_total", "US dollars, where a price is known, by model.", ("model",), DOLLARS))
PROVIDER_REQUESTS = told(Counter("provider_requests_total", "Requests to providers: answered, interrupted, or the code of the error.", ("provider", "outcome")))
PROVIDER_SECONDS = told(Summary("provider_answer_seconds", "Seconds that answers of providers took.", ("provider",), SECONDS))
CACHE_LOOKUPS = told(Counter("cache_lookups_total", "Looks for a stored reading or a stored answer (model): hit or miss.", ("cache", "result")))

# The door, and webhooks.
REFUSED = told(Counter("refused_requests_total", "Requests refused for a limit or for want of means, by code: rate_limited, queue_full, disk_full and others.", ("code",), known=("rate_limited", "too_many_waiting", "queue_full", "memory_pressure", "disk_full")))
WEBHOOK_TRIES = told(Counter("webhook_tries_total", "Tries to deliver a webhook: taken, or why not.", ("outcome",), known=("taken",)))
WEBHOOK_ENDED = told(Counter("webhook_messages_total", "Webhooks that ended: delivered, failed or discarded.", ("state",), known=("delivered", "failed", "discarded")))

# Looked up when somebody asks. Of the whole service:
UP = told(Gauge("up", "1 while the database answers; 0: only what this host knows by itself is told."))
BUILD = told(Gauge("build_info", "1, with the version.", ("version",)))
ENABLED = told(Gauge("enabled", "1 while new documents are taken, 0 while API v2 is switched off."))
ACTIVE = told(Gauge("active_tasks_total", "Tasks that are worked on."))
QUEUED = told(Gauge("queue_length", "Tasks that wait."))
OLDEST = told(Gauge("oldest_waiting_seconds", "Seconds that the first in line have been waiting at most, once they were due."))
OVERDUE = told(Gauge("overdue_tasks", "Tasks at work whose time was up, or whose lease ran out, more than a minute ago."))
ERROR_RATE = told(Gauge("error_rate", "Failed tasks among those that were answered or failed in the last 5 minutes, 0 to 1."))
UNFOLDED = told(Gauge("uncollected_counts", "Changes that are counted and not yet added up; some hundreds, while a cluster runs."))

# Of each host:
MEMORY = told(Gauge("memory_usage_percent", "Percent of a host's memory in use.", ("host",)))
WORKER_HOSTS = told(Gauge("worker_hosts", "Hosts whose workers are alive."))
WORKERS = told(Gauge("workers", "Worker processes of a host that is alive.", ("host",)))
MAX_CONCURRENT = told(Gauge("max_concurrent", "Tasks that a host takes at once.", ("host",)))
RUNNING = told(Gauge("running_tasks", "Tasks that a host holds.", ("host",)))
HEARTBEAT = told(Gauge("heartbeat_age_seconds", "Seconds since a host's cluster last spoke, within the last hour.", ("host",)))
DISK_FREE = told(Gauge("disk_free_bytes", "Free bytes on the fullest disk of the host that answers.", ("host",)))
DISK_NEEDED = told(Gauge("disk_needed_bytes", "Free bytes below which no document is taken."))

# Of providers and webhooks:
PROVIDER_OPEN = told(Gauge("provider_open", "1 while a provider is left alone after failures in a row.", ("provider",)))
PROVIDER_FAILURES = told(Gauge("provider_consecutive_failures", "Failures in a row of a provider.", ("provider",)))
PROVIDER_SLOTS = told(Gauge("provider_slots_used", "Requests under way at a provider whose number is bounded.", ("provider",)))
PROVIDER_LIMIT = told(Gauge("provider_slots", "Requests that such a provider takes at once.", ("provider",)))
WEBHOOKS_WAITING = told(Gauge("webhook_backlog", "Webhooks that are due or will be tried again."))
WEBHOOKS_OLDEST = told(Gauge("webhook_overdue_seconds", "Seconds that the first webhook is past the time at which it was to be tried."))
WEBHOOKS_DISABLED = told(Gauge("webhook_endpoints_disabled", "Registered receivers that are told nothing any more."))
ENDINGS_UNTOLD = told(Gauge("untold_endings", "Ends of tasks of which webhooks have not been made yet."))
# fmt: on
