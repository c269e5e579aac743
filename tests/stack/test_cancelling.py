"""A cancelled task is gone at once: its reader is dead, its model's line closed, its worker at the next task."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn
from tests.stack import cancels
from tests.stack.cancels import Phase, Stage
from tests.stack.service import running_service
from tests.stack.test_work import PATIENCE, Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

TIMES = 3


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader", "viewer") as running:
        yield running


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[Stage]:
    variables = {**cancels.ONE_WORKER, "OPENAI_API_BASE_URL": upstream.url}
    with running_service(tmp_path_factory.mktemp("cancelling"), **variables) as service:
        yield Stage(service, Caller(service), upstream)


def test_it_works(stage: Stage) -> None:
    """Gone at once, never begun, and those behind it move up."""
    for _ in range(TIMES):
        cancels.cancelled_while_queued(stage)


@pytest.mark.parametrize("phase", cancels.PHASES, ids=lambda phase: phase.name.replace(" ", "-"))
def test_a_task_at_work(stage: Stage, phase: Phase) -> None:
    for _ in range(TIMES):
        cancels.cancelled(stage, phase)


def test_a_stranger_cancels_nothing(stage: Stage) -> None:
    task, line = cancels.streaming(stage)
    stranger = Caller(stage.service, admin=True)
    assert stranger.http.delete(f"/api/v2/tasks/{task}").status_code == 404
    assert stage.caller.status(task)["status"] == "processing"
    assert stage.caller.http.delete(f"/api/v2/tasks/{task}").status_code == 200
    assert line.hung_up.wait(PATIENCE)
