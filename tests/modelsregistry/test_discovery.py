"""Every file in `drivers/` is a driver that keeps the contract, and one that does not is named at the start."""

from __future__ import annotations

import importlib
import sys
import time

import pytest

from modelsregistry import checks, discovery
from modelsregistry.contract import Driver, Endpoint, GenerationRequest, SourcePage
from modelsregistry.errors import ModelMisconfigured, ModelTimeout
from modelsregistry.models import Provider
from tests.modelsregistry.dialects import DIALECTS
from tests.modelsregistry.stand_in import StandIn

KINDS = sorted(discovery.all_drivers())

DRIVER = """
class Driver:
    kind = {kind!r}
    label = "L"
    def __init__(self, endpoint): ...
    def generate(self, request, on_text=None): ...
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package of the given files, as `drivers/` is one."""

    def make(**files: str):
        folder = tmp_path / "made_up_drivers"
        folder.mkdir()
        for name, source in {"__init__": "", **files}.items():
            (folder / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(folder.name)

    yield make
    for name in [name for name in sys.modules if name.startswith("made_up_drivers")]:
        del sys.modules[name]


def test_it_works():
    assert {"local", "openai_compatible"} <= set(KINDS)
    assert checks.check_drivers() == []
    assert [kind for kind, _ in discovery.kind_choices()] == [
        kind for kind, _ in Provider._meta.get_field("kind").choices
    ]


def test_a_file_is_all_it_takes(package):
    found = discovery.collect(package(one=DRIVER.format(kind="one"), _helper="x = 1", two=DRIVER.format(kind="two")))

    assert list(found) == ["one", "two"]
    assert all(checks.faults(driver) == [] for driver in found.values())


def test_two_of_a_kind_are_refused(package):
    with pytest.raises(discovery.BrokenDriver, match=r"two.*one.*'same'"):
        discovery.collect(package(one=DRIVER.format(kind="same"), two=DRIVER.format(kind="same")))


@pytest.mark.parametrize("source", ["x = 1", DRIVER.format(kind="a") + DRIVER.format(kind="b").replace("Driver", "B")])
def test_a_file_without_one_driver_is_refused(package, source):
    with pytest.raises(discovery.BrokenDriver):
        discovery.collect(package(odd=source))


def test_a_class_that_breaks_the_contract_is_told_how():
    class Odd:
        kind = 3

        def generate(self) -> None: ...

    assert len(checks.faults(Odd)) == 4


def test_an_unknown_kind_is_a_matter_for_the_administrator():
    with pytest.raises(ModelMisconfigured) as raised:
        discovery.driver_class("morse")
    assert raised.value.code == "dialect_unknown"


def made(kind: str, upstream: StandIn) -> Driver:
    """A driver of this kind, at a provider that answers in its words; the built-in one needs none."""
    for dialect in DIALECTS:
        if dialect.kind == kind:
            upstream.script(dialect.stream(*dialect.answer("Forty-two.")))
    return discovery.driver_class(kind)(Endpoint(model="m", base_url=upstream.url))


@pytest.mark.parametrize("kind", KINDS)
def test_every_driver_tells_the_answer_as_it_comes(kind, upstream, ask):
    heard: list[str] = []

    result = made(kind, upstream).generate(ask(), heard.append)

    assert heard
    assert "".join(heard) == result.text != ""
    assert result.finish_reason in {"stop", "length", "content_filter", "refusal"}
    assert result.usage.output_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_driver_names_what_it_leaves_out_or_takes_it(kind, upstream, ask):
    given = ask(temperature=0.5, response_schema={"type": "object"}, system="Be brief.")

    result = made(kind, upstream).generate(given)

    # What speaks to nobody shows what it took by its answer: data, which a schema asks for.
    sent = upstream.last.raw.decode() if upstream.received else '"object"' if result.text == "{}" else ""
    for name, trace in {"temperature": "0.5", "response_schema": '"object"', "system": "Be brief."}.items():
        assert name in result.dropped or trace in sent


@pytest.mark.parametrize("kind", KINDS)
def test_every_driver_keeps_the_deadline(kind, upstream):
    request = GenerationRequest("m", "q", "q", (SourcePage(1, "Text."),), deadline=time.monotonic() - 1)
    with pytest.raises(ModelTimeout):
        made(kind, upstream).generate(request)
