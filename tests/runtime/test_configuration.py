"""What was changed at run time holds in every process; a change is all or nothing, and none is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from processing.errors import InvalidInput
from processing.runtime import configuration
from processing.runtime.models import ConfigurationRevision


@pytest.fixture(autouse=True)
def nothing_known(settings: Settings) -> Iterator[None]:
    settings.VARIABLES = {}
    configuration.forget()
    yield
    configuration.forget()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every `current()` ask the database."""
    monkeypatch.setattr(configuration, "SECONDS_BETWEEN_CHECKS", 0.0)


def changed(partial: dict[str, Any]) -> configuration.InForce:
    return configuration.change(partial, author=None)


@pytest.mark.django_db
def test_it_works() -> None:
    admin = get_user_model().objects.create_user("admin")
    in_force = configuration.change({"max_concurrent": 8}, author=admin, reason="more memory")
    assert in_force.parameters.max_concurrent == 8
    assert in_force.sources["max_concurrent"] == "stored"
    row = ConfigurationRevision.objects.get()
    assert (row.pk, row.author, row.reason) == (in_force.revision, admin, "more memory")
    assert (row.overrides, row.changes) == ({"max_concurrent": 8}, {"max_concurrent": 8})


@pytest.mark.django_db
def test_without_a_change_the_defaults_hold(settings: Settings) -> None:
    settings.VARIABLES = {"API_V2_TIMEOUT": "60"}
    in_force = configuration.current()
    assert (in_force.revision, in_force.parameters.timeout) == (0, 60)
    assert in_force.sources["timeout"] == "environment:API_V2_TIMEOUT"
    assert in_force.sources["rate_limits.per_minute"] == "default"


@pytest.mark.django_db
def test_a_change_comes_before_the_environment_and_null_takes_it_back(settings: Settings) -> None:
    settings.VARIABLES = {"API_V2_TIMEOUT": "60"}
    assert changed({"timeout": 90}).parameters.timeout == 90
    in_force = changed({"timeout": None})
    assert (in_force.parameters.timeout, in_force.sources["timeout"]) == (60, "environment:API_V2_TIMEOUT")
    assert ConfigurationRevision.objects.first().overrides == {}  # type: ignore[union-attr]


@pytest.mark.django_db
def test_changes_are_merged_deeply() -> None:
    changed({"model_configs": {"gpt-4.1": {"temperature": 0.5, "max_tokens": 100}}, "rate_limits": {"per_hour": 5}})
    in_force = changed({"model_configs": {"gpt-4.1": {"temperature": None}, "other": {"timeout": 9}}})
    settings_of_model = in_force.parameters.model_configs["gpt-4.1"]
    assert (settings_of_model.temperature, settings_of_model.max_tokens) == (None, 100)
    assert in_force.parameters.rate_limits.per_hour == 5
    assert in_force.parameters.rate_limits.per_minute == 50
    assert set(changed({"model_configs": {"gpt-4.1": None}}).parameters.model_configs) == {"other"}
    assert changed({"model_configs": None, "rate_limits": None}).parameters.model_configs == {}
    assert ConfigurationRevision.objects.first().overrides == {}  # type: ignore[union-attr]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("partial", "key"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temprature": None}, "temprature"),
        ({"memory_management": {"threshold": None}}, "memory_management.threshold"),
        ({"model_configs": {"a": {"temprature": None}}}, "model_configs.a.temprature"),
        ({"model_configs": {"a b": {"timeout": 3}}}, "model_configs.a b"),
        ({"memory_management": "off"}, "memory_management"),
        ({"rate_limits": {"per_hour": {"deep": {"deeper": {}}}}}, "rate_limits.per_hour"),
    ],
)
def test_one_bad_setting_refuses_the_whole_change(partial: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        changed({"max_concurrent": 8, **partial})
    assert caught.value.code == "invalid_parameter"
    assert list(caught.value.errors or {}) == [key]
    assert not ConfigurationRevision.objects.exists()


@pytest.mark.django_db
def test_a_change_that_changes_nothing_makes_no_revision() -> None:
    first = changed({"timeout": 90})
    assert changed({"timeout": 90}).revision == first.revision


@pytest.mark.django_db
def test_a_value_equal_to_the_default_is_stored_all_the_same() -> None:
    assert changed({"timeout": 300}).sources["timeout"] == "stored"


@pytest.mark.django_db(transaction=True)
def test_another_process_notices_a_change(impatient: None) -> None:
    before = configuration.current()
    ConfigurationRevision.objects.create(overrides={"enabled": False})  # as another process would
    after = configuration.current()
    assert (before.parameters.enabled, after.parameters.enabled) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_what_is_known_is_asked_for_once_a_second_at_most(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "SECONDS_BETWEEN_CHECKS", 3600.0)
    configuration.current()
    with django_assert_num_queries(0):
        configuration.current()
    monkeypatch.setattr(configuration, "SECONDS_BETWEEN_CHECKS", 0.0)
    with django_assert_num_queries(1):
        configuration.current()


@pytest.mark.django_db(transaction=True)
def test_the_process_that_changes_sees_it_at_once() -> None:
    configuration.current()
    changed({"timeout": 7})
    assert configuration.current().parameters.timeout == 7


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_leaves_nothing_behind(impatient: None) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        changed({"timeout": 7})
        assert configuration.current().parameters.timeout == 7
        raise RuntimeError
    assert configuration.current().parameters.timeout == 300
    changed({"timeout": 8})
    assert configuration.current().parameters.timeout == 8


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_time_all_hold() -> None:
    together = threading.Barrier(6)
    failures: list[BaseException] = []

    def change_one(number: int) -> None:
        try:
            together.wait()
            changed({"model_configs": {f"model-{number}": {"timeout": number + 1}}})
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=change_one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    newest = ConfigurationRevision.objects.first()
    assert newest is not None
    assert set(newest.overrides["model_configs"]) == {f"model-{number}" for number in range(6)}
    assert ConfigurationRevision.objects.count() == 6


@pytest.mark.django_db
def test_whoever_comes_second_merges_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that the first read is no longer the newest when it writes."""
    check = configuration._valid_part  # the moment between reading and writing

    def meanwhile(overrides: Any) -> Any:
        monkeypatch.setattr(configuration, "_valid_part", check)
        changed({"timeout": 7})
        return check(overrides)

    monkeypatch.setattr(configuration, "_valid_part", meanwhile)
    in_force = changed({"max_tokens": 9})
    assert (in_force.parameters.timeout, in_force.parameters.max_tokens) == (7, 9)


@pytest.mark.django_db
def test_a_stored_setting_that_is_no_longer_valid_does_not_stop_the_service(caplog: pytest.LogCaptureFixture) -> None:
    ConfigurationRevision.objects.create(
        overrides={"gone": 1, "timeout": -5, "max_tokens": 77, "rate_limits": {"per_second": 3, "per_hour": 9}}
    )
    with caplog.at_level(logging.WARNING):
        parameters = configuration.current().parameters
    assert (parameters.timeout, parameters.max_tokens, parameters.rate_limits.per_hour) == (300, 77, 9)
    named = {record.setting for record in caplog.records}
    assert named == {"gone", "timeout", "rate_limits.per_second"}
    assert changed({"timeout": 10}).parameters.max_tokens == 77


@pytest.mark.django_db
def test_a_database_that_is_away_leaves_the_last_known(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.current()

    def away(*_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(configuration, "_refreshed", away)
    assert configuration.current().parameters.timeout == 300
    assert configuration.current().parameters.timeout == 300


@pytest.mark.django_db
def test_a_start_under_another_environment_warns_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    changed({"max_concurrent": 8, "timeout": 100})
    settings.VARIABLES = {
        "API_V2_MAX_CONCURRENT": "3",
        "API_V2_TIMEOUT": "100",
        "API_V2_ADMIN_CONFIG": '{"temperature": 0.1}',
    }
    with caplog.at_level(logging.WARNING):
        configuration.warn_of_overridden_environment()
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert record.variables == "API_V2_MAX_CONCURRENT (max_concurrent)"


@pytest.mark.django_db
def test_a_start_under_the_same_environment_is_quiet(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.VARIABLES = {"API_V2_MAX_CONCURRENT": "3"}
    with caplog.at_level(logging.WARNING):
        configuration.warn_of_overridden_environment()
    assert caplog.records == []


@pytest.mark.django_db
def test_the_whole_as_json() -> None:
    document = configuration.as_document(changed({"enabled": False}))
    assert document["api_v2"]["enabled"] is False
    assert document["api_v2"]["supported_formats"][0] == "pdf"
    assert document["sources"]["enabled"] == "stored"
    assert set(document) == {"api_v2", "sources", "revision"}
