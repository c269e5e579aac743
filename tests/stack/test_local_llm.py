"""A service with a local LLM installed: it serves the model too, and whatever is killed comes back or goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import samples
from tests.modelsregistry import tiny_model
from tests.stack.processes import kill, told, until, until_gone
from tests.stack.service import RunningService, environment_for, running_service
from tests.stack.test_work import Caller

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SHORT = {"prompt": "Total?", "model": "local-llm"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    data_dir = tmp_path_factory.mktemp("local-llm")
    beside = RunningService("", data_dir, None, environment_for(data_dir, 1), "")  # type: ignore[arg-type]
    file = tiny_model.write(tmp_path_factory.mktemp("downloads") / "tiny.gguf")
    assert str(data_dir / "models" / "tiny.gguf") in beside.manage("local_llm", "install", "--path", str(file))
    with running_service(data_dir) as running:
        yield running


@pytest.fixture(scope="module")
def caller(service: RunningService) -> Caller:
    return Caller(service)


def keeper(service: RunningService) -> psutil.Process:
    return until(lambda: next((each for each in service.processes() if "local_llm" in told(each.cmdline)), None))


def server(service: RunningService) -> psutil.Process:
    """The process that holds the model, once it listens."""
    return until(
        lambda: next(
            (
                each
                for each in keeper(service).children()
                if any(part.endswith("local_llm/server.py") for part in each.cmdline())
                and any(socket.status == psutil.CONN_LISTEN for socket in each.net_connections())
            ),
            None,
        )
    )


def secret(service: RunningService) -> str:
    """By which the service is let in to the model."""
    show = "from modelsregistry.models import Provider; print(Provider.objects.get(name='Local LLM').secret)"
    found = service.manage("shell", "--no-imports", "-v0", "-c", show).strip()
    assert found
    return found


def offered(caller: Caller) -> bool:
    return "local-llm" in [model["id"] for model in caller.http.get("/api/v2/models").json()["models"]]


def answered(caller: Caller) -> dict[str, object]:
    until(lambda: offered(caller))
    body = caller.ended(caller.submit("note.txt", b"The total is 42.00 EUR.", **SHORT))
    assert body["status"] == "completed", body
    assert body["model_used"] == "local-llm"
    return body


def test_it_works(caller: Caller) -> None:
    body = answered(caller)
    assert body["result"]["content"]  # type: ignore[index]


def test_the_built_in_model_answers_where_none_is_named(caller: Caller) -> None:
    body = caller.ended(caller.submit("invoice.pdf", samples.pdf()))
    assert (body["status"], body["model_used"]) == ("completed", "local")


def test_of_a_document_that_is_too_long_it_gets_passages(caller: Caller) -> None:
    until(lambda: offered(caller))
    body = caller.ended(caller.submit("long.txt", b"many words " * 20_000, **SHORT))
    assert body["status"] == "completed", body
    context = body["result"]["processing_metadata"]["context"]
    assert context["way"] == "passages"
    assert context["characters_given"] < context["characters_read"] / 2


def test_a_killed_model_is_served_again(service: RunningService, caller: Caller) -> None:
    answered(caller)
    before = secret(service)
    killed = server(service)
    kill(killed)
    assert server(service).pid != killed.pid
    answered(caller)
    assert secret(service) == before, "a task that came before the registry knew the new one would have been refused"


def test_a_model_dies_with_its_parent_and_both_come_back(service: RunningService, caller: Caller) -> None:
    answered(caller)
    orphan, parent = server(service), keeper(service)
    parent.kill()
    until_gone(orphan)
    assert server(service).pid != orphan.pid
    answered(caller)


def test_another_model_takes_its_place_when_it_is_installed(
    service: RunningService, caller: Caller, tmp_path: Path
) -> None:
    before = server(service)
    other = tiny_model.write(tmp_path / "other.gguf", seed=8)
    service.manage("local_llm", "install", "--path", str(other))
    until_gone(before)
    until(lambda: "other.gguf" in " ".join(each.path for each in server(service).memory_maps(grouped=True)))
    answered(caller)


def test_it_ends_with_the_service_and_is_not_offered_without_it(
    service: RunningService, caller: Caller, tmp_path: Path
) -> None:
    held = server(service)
    service.end()
    assert not held.is_running()
    with running_service(service.data_dir, API_V2_LOCAL_LLM="off") as again:
        assert not offered(Caller(again, key=caller.http.headers["authorization"].removeprefix("Bearer ")))
        assert not [each for each in again.processes() if "local_llm" in told(each.cmdline)]
    assert "local LLM is not started" in service.log()
