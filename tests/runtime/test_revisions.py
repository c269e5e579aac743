"""Every change of the configuration is told with its difference, and there is a way back from it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from processing.errors import InvalidInput, NotFound
from processing.runtime import configuration, revisions
from processing.runtime.models import ConfigurationRevision
from processing.runtime.overrides import as_change, differences, laid_over, without_nulls

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_set(settings: Settings) -> None:
    settings.VARIABLES = {}


def told(number: int) -> dict[str, tuple[Any, Any]]:
    return {each.key: (each.old, each.new) for each in revisions.what_changed(revisions.find(number))}


def change(partial: dict[str, Any], **terms: Any) -> configuration.Changed:
    return configuration.change(partial, author=None, **terms)


def test_it_works() -> None:
    change({"timeout": 60, "rate_limits": {"per_minute": 5}})
    change({"timeout": 90, "rate_limits": None, "model_configs": {"gpt-4.1": {"temperature": 0}}})
    assert told(1) == {"timeout": (None, 60), "rate_limits.per_minute": (None, 5)}
    assert told(2) == {
        "timeout": (60, 90),
        "rate_limits.per_minute": (5, None),
        "model_configs.gpt-4.1.temperature": (None, 0),
    }
    back = configuration.replace(revisions.find(1).overrides, author=None, reason="too slow")
    assert (back.revision, back.parameters.timeout, back.parameters.rate_limits.per_minute) == (3, 60, 5)
    assert back.parameters.model_configs == {}
    assert told(3) == {key: (new, old) for key, (old, new) in told(2).items()}


def test_the_newest_comes_first() -> None:
    for seconds in (1, 2, 3):
        change({"timeout": seconds})
    assert [row.pk for row in revisions.history()] == [3, 2, 1]


def test_a_revision_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        revisions.find(1)


def test_a_change_of_nothing_has_no_difference() -> None:
    assert change({"timeout": 1}).differences
    assert change({"timeout": 1}).differences == ()
    assert ConfigurationRevision.objects.count() == 1


def test_whoever_expects_another_revision_changes_nothing() -> None:
    change({"timeout": 1}, expected=0)
    with pytest.raises(InvalidInput) as caught:
        change({"timeout": 2}, expected=0)
    assert caught.value.code == "revision_mismatch"
    with pytest.raises(InvalidInput):
        configuration.replace({}, author=None, expected=7)
    assert configuration.current().parameters.timeout == 1
    assert change({"timeout": 2}, expected=1).revision == 2


def test_of_two_who_expect_the_same_revision_the_second_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one commits between this one's look and its write."""
    check = configuration._valid_part

    def meanwhile(overrides: Any) -> Any:
        monkeypatch.setattr(configuration, "_valid_part", check)
        change({"timeout": 7}, expected=0)
        return check(overrides)

    monkeypatch.setattr(configuration, "_valid_part", meanwhile)
    with pytest.raises(InvalidInput) as caught:
        change({"max_tokens": 9}, expected=0)
    assert caught.value.code == "revision_mismatch"
    assert configuration.current().parameters.max_tokens == 8000


def test_what_another_version_stored_is_not_put_back_in_silence() -> None:
    old = {"gone": 1, "timeout": -5, "max_tokens": 77}
    ConfigurationRevision.objects.create(overrides=old)
    change({"max_tokens": 5})
    with pytest.raises(InvalidInput) as caught:
        configuration.replace(old, author=None)
    assert set(caught.value.errors or {}) == {"gone", "timeout"}
    assert configuration.current().parameters.max_tokens == 5
    back = configuration.replace(old, author=None, skip_invalid=True)
    assert (back.parameters.max_tokens, back.parameters.timeout) == (77, 300)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"a": 1}),
        ({"a": 1}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": [1]}),
        ({"m": {"gpt-4.1": {"t": 1}}}, {"m": {"gpt-4.1": {"u": 2}, "x": {"t": 0}}}),
    ],
)
def test_the_difference_laid_over_the_former_gives_the_latter(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = differences(before, after)
    assert without_nulls(laid_over(before, as_change(found))) == after
    assert differences(after, after) == ()
