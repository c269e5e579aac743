"""The list of all settings has every field, and says of it what forms and documentation need."""

from __future__ import annotations

from processing.operations import parameter_table
from processing.runtime.overrides import leaves
from processing.runtime.parameters import Parameters
from processing.runtime.schema import every_setting
from tests.stack.service import ROOT


def test_it_works() -> None:
    by_name = {setting.name: setting for setting in every_setting()}
    threshold = by_name["memory_management.emergency_stop_threshold"]
    assert (threshold.section, threshold.kind, threshold.default) == ("Memory", "integer", 95)
    assert (threshold.minimum, threshold.maximum, threshold.nullable) == (50, 100, False)
    assert by_name["max_concurrent"].nullable
    assert (by_name["max_concurrent"].minimum, by_name["max_concurrent"].kind) == (1, "integer")
    assert by_name["timeout"].variable == "API_V2_TIMEOUT"
    assert by_name["default_prompt_template"].max_length == 20_000


def test_none_is_missing() -> None:
    names = {setting.path for setting in every_setting()}
    assert names == {path for path, _ in leaves(Parameters().model_dump(mode="json"))}


def test_each_is_described_under_a_title() -> None:
    for setting in every_setting():
        assert setting.takes.endswith("."), setting.name
        assert setting.section != "Other", setting.name


def test_the_page_is_made_from_the_parameters() -> None:
    """If this fails: .venv/bin/python manage.py parameter_table > docs/parameters.md"""
    assert (ROOT / "docs/parameters.md").read_text() == parameter_table.markdown()
