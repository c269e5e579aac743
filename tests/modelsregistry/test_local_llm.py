"""The local LLM through the whole real runtime: a process of its own, which answers, sleeps, refuses and dies."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from modelsregistry import generation, registry
from modelsregistry.contract import GenerationRequest, ListsModels, PageImage, SourcePage
from modelsregistry.errors import ModelMisconfigured, ModelOverloaded, ModelRejected
from modelsregistry.generation import Listener
from modelsregistry.local_llm import offer
from modelsregistry.local_llm.child import Child, NotServedError, Serving, threads_to_use
from modelsregistry.local_llm.shelf import Installed
from modelsregistry.models import Provider, RegisteredModel
from tests import samples
from tests.modelsregistry import tiny_model

pytestmark = pytest.mark.django_db

PATIENCE = 60.0
Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tiny_model.write(tmp_path_factory.mktemp("model") / "tiny.gguf"), "0" * 64)


@pytest.fixture(scope="module")
def child(model: Installed) -> Iterator[Child]:
    started = Child(model, context=8192, idle=300)
    yield started
    started.kill()


@pytest.fixture(scope="module")
def serving(child: Child) -> Serving:
    found = child.ready(threading.Event())
    assert found is not None
    return found


@pytest.fixture
def offered(serving: Serving) -> RegisteredModel:
    offer.offer(serving)
    return RegisteredModel.objects.get(public_id="local-llm")


def test_it_works(offered: RegisteredModel, ask: Ask) -> None:
    pieces: list[str] = []
    result = generation.generate(ask(model="local-llm", max_tokens=12), Listener(on_text=pieces.append))
    assert len(pieces) > 1
    assert result.text == "".join(pieces) != ""
    assert (result.model, result.finish_reason) == ("local-llm", "length")
    assert (result.usage.output_tokens, result.usage.estimated) == (12, False)
    assert result.usage.input_tokens > 20
    assert "images" in result.dropped


def test_it_is_offered_as_it_was_started(offered: RegisteredModel) -> None:
    entry = registry.find("local-llm")
    assert entry.context_length == tiny_model.CONTEXT  # the model's own: less than was asked for
    assert (entry.vision, entry.available) == (False, True)
    assert offered.provider.allow_private
    assert offered.provider.kind == "openai_compatible"


def test_an_answer_keeps_to_a_schema(offered: RegisteredModel, ask: Ask) -> None:
    schema = {"type": "object", "properties": {"due": {"type": "boolean"}}, "required": ["due"]}
    result = generation.generate(ask(model="local-llm", max_tokens=200, response_schema=schema))
    assert list(json.loads(result.text)) == ["due"]


def test_a_prompt_that_is_too_long_for_the_runtime(offered: RegisteredModel, ask: Ask) -> None:
    RegisteredModel.objects.update(context_length=None)  # or it would not even be sent
    pages = (SourcePage(1, "word " * tiny_model.CONTEXT),)
    with pytest.raises(ModelRejected) as caught:
        generation.generate(ask(model="local-llm", pages=pages))
    assert caught.value.code == "context_length_exceeded"


def test_a_picture_for_a_model_that_reads_text_alone(offered: RegisteredModel, ask: Ask) -> None:
    RegisteredModel.objects.update(vision=True)
    with pytest.raises(ModelRejected) as caught:
        generation.generate(ask(model="local-llm"))
    assert caught.value.code == "images_not_supported"


def test_with_a_projector_every_picture_is_decoded(model: Installed, ask: Ask, tmp_path: Path) -> None:
    seeing = replace(model, projector=tiny_model.write_projector(tmp_path / "eyes.gguf"))
    with started(seeing) as (_, serving):
        assert serving.vision
        offer.offer(serving)
        read = [
            generation.generate(ask(model="local-llm", max_tokens=2, pages=two_pages(pictures))).usage.input_tokens
            for pictures in (0, 1, 2)
        ]
    markers = 8  # what llama.cpp writes around a picture
    for more in (read[1] - read[0], read[2] - read[1]):
        assert tiny_model.TOKENS_OF_A_PICTURE <= more <= tiny_model.TOKENS_OF_A_PICTURE + markers


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guessed"}])
@pytest.mark.parametrize("path", ["/models", "/chat/completions"])
def test_a_stranger_on_this_host_gets_nothing(serving: Serving, headers: dict[str, str], path: str) -> None:
    method = "GET" if path == "/models" else "POST"
    body = None if path == "/models" else {"messages": [{"role": "user", "content": "hello"}]}
    reply = httpx.request(method, serving.base_url + path, headers=headers, json=body, trust_env=False)
    assert reply.status_code == 401


def test_a_wrong_secret_is_the_administrators_matter(offered: RegisteredModel, ask: Ask) -> None:
    offered.provider.secret = "guessed"
    offered.provider.save()
    with pytest.raises(ModelMisconfigured) as caught:
        generation.generate(ask(model="local-llm"))
    assert caught.value.code == "credential_refused"


def test_the_process_listens_on_loopback_alone(child: Child, serving: Serving) -> None:
    listening = [each for each in psutil.Process(child.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert [each.laddr.ip for each in listening] == ["127.0.0.1"]
    assert serving.base_url == f"http://127.0.0.1:{listening[0].laddr.port}/v1"


def test_the_process_knows_no_secret_of_the_service(monkeypatch: pytest.MonkeyPatch, model: Installed) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with started(model) as (child, serving):
        process = psutil.Process(child.pid)
        environment = process.environ()
        assert "sk-canary" not in environment.values()
        assert environment["OMP_WAIT_POLICY"] == "passive"
        assert environment["OMP_NUM_THREADS"] == str(threads_to_use())
        assert serving.secret not in " ".join([*process.cmdline(), *environment.values()])
        assert serving.secret not in repr(serving)


def test_no_two_processes_have_the_same_secret(model: Installed, serving: Serving) -> None:
    with started(model) as (_, other):
        assert other.secret != serving.secret


def test_it_sleeps_although_it_is_looked_at_and_wakes_to_answer(model: Installed, ask: Ask) -> None:
    with started(model, idle=1) as (_, serving):
        offer.offer(serving)
        assert generation.generate(ask(model="local-llm", max_tokens=4)).text
        driver = Provider.objects.get(name=offer.PROVIDER).driver("local-llm")
        assert isinstance(driver, ListsModels)

        def is_looked_at_and_sleeps() -> bool:
            with contextlib.suppress(ModelOverloaded):  # falling asleep it may drop the connection
                return bool(driver.upstream_models(time.monotonic() + PATIENCE)) and is_asleep(serving)
            return False

        until(is_looked_at_and_sleeps)
        assert generation.generate(ask(model="local-llm", max_tokens=4)).text
        assert not is_asleep(serving)


def test_a_request_to_a_dead_process_is_worth_another_try(
    model: Installed, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation.time, "sleep", lambda _: None)
    with started(model) as (child, serving):
        offer.offer(serving)
        child.kill()
        assert child.exit_code == -signal.SIGKILL
        with pytest.raises(ModelOverloaded) as caught:
            generation.generate(ask(model="local-llm"))
    assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


def test_who_takes_the_place_of_a_dead_process_lets_in_whom_it_let_in(model: Installed, ask: Ask) -> None:
    with started(model) as (child, before):
        offer.offer(before)
        child.kill()
    again = Child(
        model, context=tiny_model.CONTEXT, idle=300, port=urlsplit(before.base_url).port or 0, secret=before.secret
    )
    try:
        assert again.ready(threading.Event()) == before
        assert generation.generate(ask(model="local-llm", max_tokens=2)).text
    finally:
        again.kill()


def test_a_file_that_is_no_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00 and nothing of use")
    child = Child(Installed(broken, ""), context=256, idle=300)
    try:
        with pytest.raises(NotServedError):
            child.ready(threading.Event())
    finally:
        child.kill()
    assert "broken.gguf" in capfd.readouterr().err  # llama.cpp's own words, for the administrator


def test_a_stop_while_it_loads_is_heard(model: Installed) -> None:
    stop = threading.Event()
    stop.set()
    child = Child(model, context=256, idle=300)
    try:
        assert child.ready(stop) is None
    finally:
        child.kill()


def test_it_is_withdrawn_with_a_reason_and_comes_back(serving: Serving, offered: RegisteredModel, ask: Ask) -> None:
    offer.withdraw("it was stopped.")
    provider = Provider.objects.get(name=offer.PROVIDER)
    assert (provider.enabled, provider.disabled_reason) == (False, "Not served: it was stopped.")
    with pytest.raises(ModelMisconfigured) as caught:
        generation.generate(ask(model="local-llm"))
    assert caught.value.code == "unknown_model"
    offer.offer(serving)
    assert generation.generate(ask(model="local-llm", max_tokens=2)).text


def test_what_an_administrator_has_set_stays(serving: Serving, offered: RegisteredModel) -> None:
    RegisteredModel.objects.update(name="Ours", temperature=0.7, max_tokens=50, enabled=False)
    Provider.objects.filter(name=offer.PROVIDER).update(enabled=False, max_concurrency=2)
    offer.offer(serving)
    model = RegisteredModel.objects.get()
    assert (model.name, model.temperature, model.max_tokens, model.enabled) == ("Ours", 0.7, 50, False)
    assert (model.provider.enabled, model.provider.max_concurrency) == (False, 2)
    offer.withdraw("it was stopped.")
    offer.offer(serving)
    assert not Provider.objects.get(name=offer.PROVIDER).enabled


def test_a_name_that_is_taken_is_left_alone(serving: Serving) -> None:
    other = Provider.objects.create(name="Elsewhere", kind="openai_compatible", base_url="https://example.org/v1")
    RegisteredModel.objects.create(public_id="local-llm", name="Mine", provider=other, upstream_id="mine")
    with pytest.raises(offer.TakenError, match="Elsewhere"):
        offer.offer(serving)
    offer.withdraw("it was stopped.")
    assert [each.name for each in Provider.objects.filter(enabled=True)] == ["Elsewhere"]


def test_it_does_not_become_the_default_by_itself(offered: RegisteredModel) -> None:
    built_in = Provider.objects.create(name="Built-in", kind="local")
    RegisteredModel.objects.create(public_id="local", name="Local", provider=built_in, upstream_id="local")
    assert registry.default_model("gpt-4-vision", chosen=False).id == "local"
    assert registry.default_model("local-llm", chosen=True).id == "local-llm"


def two_pages(pictures: int) -> tuple[SourcePage, ...]:
    """Two pages of text, so many of which have a picture."""
    image = PageImage(samples.picture(), "image/png")
    return tuple(SourcePage(number, "A page.", image if number <= pictures else None) for number in (1, 2))


class started:  # noqa: N801  (reads as a verb)
    """A process of one's own, ready, for the length of the block."""

    def __init__(self, model: Installed, *, idle: int = 300) -> None:
        self._child = Child(model, context=tiny_model.CONTEXT, idle=idle)

    def __enter__(self) -> tuple[Child, Serving]:
        serving = self._child.ready(threading.Event())
        assert serving is not None
        return self._child, serving

    def __exit__(self, *_: object) -> None:
        self._child.kill()


def is_asleep(serving: Serving) -> bool:
    headers = {"Authorization": f"Bearer {serving.secret}"}
    told: dict[str, Any] = httpx.get(f"{serving.base_url}/../props", headers=headers, trust_env=False).json()
    return bool(told["is_sleeping"])


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, look
        time.sleep(0.05)
