"""The configuration on a page: shown with where each value comes from, changed where one may, and never by accident."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.access.models import AuditEntry
from processing.admin.configuration_form import ConfigurationForm
from processing.operations import configuration as operation
from processing.runtime import configuration
from processing.runtime.models import ConfigurationRevision
from processing.runtime.schema import every_setting

VIEW, CHANGE = "processing.view_configurationrevision", "processing.add_configurationrevision"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_set(settings: Settings) -> None:
    settings.VARIABLES = {}
    provision({})


def url() -> str:
    return reverse("admin:processing_configuration")


def restore_url(revision: int) -> str:
    return reverse("admin:processing_configurationrevision_restore", args=[revision])


def sent(client: Client, **changes: Any) -> dict[str, Any]:
    """What a browser sends of the page as it stands, with some fields filled in anew; None unticks a box."""
    form: ConfigurationForm = client.get(url()).context["form"]
    data: dict[str, Any] = {}
    for name, field in form.fields.items():
        bound = form[name]
        shown = field.prepare_value(bound.initial)
        for key in (name, bound.html_initial_name) if field.show_hidden_initial else (name,):
            if not (key == name and (shown is None or shown is False)):
                data[key] = "" if shown is None else str(shown)
    for name, value in changes.items():
        name = name.replace("__", ".")
        data.pop(name, None)
        data |= {} if value is None else {name: value}
    return data


def save(client: Client, **changes: Any) -> Any:
    return client.post(url(), sent(client, **changes), follow=True)


def newest() -> ConfigurationRevision:
    found = ConfigurationRevision.objects.first()
    assert found is not None
    return found


def errors(response: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = response.context["form"].errors
    return found


def test_it_works(as_root: Client, root: User) -> None:
    response = save(as_root, timeout="60", rate_limits__per_minute="5", enable_vision=None, _reason="slow scans")
    assert "Revision 1 is in force." in response.content.decode()
    assert newest().overrides == {"timeout": 60, "rate_limits": {"per_minute": 5}, "enable_vision": False}
    assert (newest().author, newest().reason) == (root, "slow scans")
    entry = AuditEntry.objects.get()
    assert (entry.door, entry.actor_id, entry.action, entry.target_id) == ("admin", root.pk, "changed", "1")


def test_every_parameter_has_its_place(as_root: Client) -> None:
    page = as_root.get(url()).content.decode()
    for setting in every_setting():
        assert f'name="{setting.name}"' in page
    assert "x-section" not in page


def test_where_a_value_comes_from_is_told(as_root: Client, settings: Settings) -> None:
    settings.VARIABLES = {"API_V2_TIMEOUT": "60"}
    configuration.forget()
    configuration.change({"max_tokens": 7}, author=None)
    RegisteredModel.objects.update(temperature=0.5)
    rows = {row.setting.name: row for _, rows in as_root.get(url()).context["form"].sections() for row in rows}
    assert "API_V2_TIMEOUT" in rows["timeout"].source
    assert "set here" in rows["max_tokens"].source
    assert "models" in rows["model_configs"].source
    assert "default" in rows["temperature"].source
    assert [name for name, row in rows.items() if row.reset] == ["max_tokens"]
    assert "Reset to the default: 8000" in as_root.get(url()).content.decode()


def test_what_nobody_touched_is_not_stored(as_root: Client) -> None:
    configuration.change({"default_prompt_template": "Two lines:\n{prompt}", "timeout": 60}, author=None)
    data = {name: value.replace("\n", "\r\n") for name, value in sent(as_root).items()}  # as browsers end lines
    response = as_root.post(url(), data, follow=True)
    assert "Nothing was changed." in response.content.decode()
    assert newest().pk == 1


def test_a_value_is_reset(as_root: Client) -> None:
    configuration.change({"timeout": 60, "max_tokens": 7}, author=None)
    save(as_root, **{"_reset.timeout": "on", "max_tokens": "8"})
    assert newest().overrides == {"max_tokens": 8}


def test_an_empty_field_leaves_it_to_the_service(as_root: Client) -> None:
    configuration.change({"max_concurrent": 5}, author=None)
    save(as_root, max_concurrent="")
    assert newest().overrides == {}


def test_lists_and_texts(as_root: Client) -> None:
    save(as_root, supported_formats="PDF, .txt md", default_prompt_template="First:\r\n{prompt}")
    assert configuration.current().parameters.supported_formats == ("pdf", "txt", "md")
    assert newest().overrides["default_prompt_template"] == "First:\n{prompt}"


def test_the_settings_of_models(as_root: Client) -> None:
    save(as_root, model_configs='{"local": {"temperature": 0, "timeout": 9}, "gpt-4.1": {"max_tokens": 50}}')
    local = RegisteredModel.objects.get(public_id="local")
    assert (local.temperature, local.timeout) == (0, 9)
    save(as_root, model_configs='{"local": {"timeout": 9}}')
    local.refresh_from_db()
    assert (local.temperature, local.timeout) == (None, 9)
    assert newest().overrides == {"model_configs": {"local": {"timeout": 9}}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", "soon"),
        ("timeout", ""),
        ("timeout", "0"),
        ("timeout", "9" * 400),
        ("temperature", "NaN"),
        ("temperature", "2.5"),
        ("max_file_size_mb", "0"),
        ("admin_model", "two words"),
        ("admin_model", "nul\0"),
        ("supported_formats", ""),
        ("supported_formats", "pdf, wordperfect"),
        ("blocked_extensions", "../x"),
        ("default_prompt_template", "Answer."),
        ("default_prompt_template", "{prompt}" + "x" * 20_000),
        ("model_configs", "{"),
        ("model_configs", "[]"),
        ("model_configs", '{"a": {}, "a": {}}'),
        ("model_configs", '{"a": {"temperature": 9}}'),
        ("model_configs", '{"a": 5}'),
        ("model_configs", '{"a": {"temperature": NaN}}'),
        ("model_configs", "[" * 10_000),
        ("memory_management__emergency_stop_threshold", "101"),
        ("_reason", "x" * 501),
        ("_reason", "nul\0"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_applied(as_root: Client, field: str, value: str) -> None:
    response = save(as_root, **{field: value, "max_waiting": "77"})
    assert response.status_code == 200
    assert list(errors(response)) == [field.replace("__", ".")]
    assert not ConfigurationRevision.objects.exists()
    assert 'value="77"' in response.content.decode()  # what was entered is still there


def test_two_administrators_at_once(as_root: Client, root: User) -> None:
    mine = sent(as_root, timeout="60", _reason="mine")
    other = User.objects.create_user("<b>other</b>")
    configuration.change({"timeout": 90, "max_tokens": 5}, author=other)

    response = as_root.post(url(), mine)
    page = response.content.decode()
    assert "&lt;b&gt;other&lt;/b&gt; changed the configuration meanwhile" in page
    assert "Changed meanwhile" in page
    assert newest().author == other
    form: ConfigurationForm = response.context["form"]
    assert (form["timeout"].value(), form["max_tokens"].value()) == ("60", 5)

    again = {name: form[name].value() for name in form.fields}
    again = {name: value for name, value in again.items() if value is not None and value is not False}
    again |= {
        form[name].html_initial_name: str(form.data[form[name].html_initial_name])
        for name, field in form.fields.items()
        if field.show_hidden_initial and form.data[form[name].html_initial_name] is not None
    }
    as_root.post(url(), again)
    assert newest().overrides == {"timeout": 60, "max_tokens": 5}
    assert (newest().author, newest().reason) == (root, "mine")


def test_who_may_look_sees_and_changes_nothing(staff: Callable[..., Client]) -> None:
    reader = staff(VIEW)
    page = reader.get(url())
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert 'href="' + url() in page.content.decode()
    assert reader.post(url(), sent(reader, timeout="60")).status_code == 403
    configuration.change({"timeout": 60}, author=None)
    assert reader.get(restore_url(1)).status_code == 403
    assert reader.post(restore_url(1), {"revision": "1"}).status_code == 403
    assert newest().pk == 1


def test_who_may_change_may(staff: Callable[..., Client]) -> None:
    save(staff(VIEW, CHANGE), timeout="60")
    assert newest().overrides == {"timeout": 60}


def test_staff_without_permission_see_nothing(staff: Callable[..., Client]) -> None:
    clerk = staff("processing.view_task")
    assert clerk.get(url()).status_code == 403
    assert clerk.post(url(), {}).status_code == 403
    assert f'href="{url()}"' not in clerk.get(reverse("admin:index")).content.decode()


def test_who_is_not_staff_is_sent_to_the_login(owner: User) -> None:
    client = Client()
    client.force_login(owner)
    for where in (url(), restore_url(1)):
        assert urlsplit(client.get(where)["Location"]).path == reverse("admin:login")


def test_a_form_from_elsewhere_is_refused(root: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(root)
    configuration.change({"timeout": 60}, author=None)
    for where in (url(), restore_url(1)):
        assert browser.post(where, {"timeout": "5", "revision": "1"}).status_code == 403
    assert newest().pk == 1


def test_pages_load_nothing_from_elsewhere(as_root: Client) -> None:
    configuration.change({"timeout": 60}, author=None)
    for where in (url(), restore_url(1)):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"([^\"]+)\"", as_root.get(where).content.decode()
        )
        assert loaded
        assert [address for address in loaded if urlsplit(address).netloc] == []


# The history and the way back


def test_the_history_tells_the_difference(as_root: Client) -> None:
    configuration.change({"timeout": 60}, author=None)
    configuration.change({"timeout": 90, "default_prompt_template": "<script>{prompt}</script>"}, author=None)
    for where in ("changelist", "change"):
        arguments = [2] if where == "change" else []
        page = as_root.get(reverse(f"admin:processing_configurationrevision_{where}", args=arguments)).content.decode()
        assert re.search(r"<del[^>]*>60</del>.*?<ins[^>]*>90</ins>", page, re.DOTALL)
        assert "&lt;script&gt;{prompt}" in page
        assert "<script>{prompt}" not in page


def test_a_revision_is_restored_after_a_question(as_root: Client, root: User) -> None:
    configuration.change({"timeout": 60}, author=None)
    configuration.change({"timeout": 90, "max_tokens": 5}, author=None)
    asked = as_root.get(restore_url(1))
    assert re.search(r"<del[^>]*>90</del>.*?<ins[^>]*>60</ins>", asked.content.decode(), re.DOTALL)
    assert newest().pk == 2  # a GET changes nothing

    told = as_root.post(restore_url(1), {"revision": "2", "reason": "too slow"}, follow=True)
    assert "Revision 3 is in force, with the settings of revision 1." in told.content.decode()
    assert (newest().overrides, newest().author) == ({"timeout": 60}, root)
    assert newest().reason == "Return to revision 1: too slow"
    assert AuditEntry.objects.get().action == "restored"


@pytest.mark.parametrize("revision", ["1", "", "two", "9" * 30, "²"])
def test_who_looked_at_another_revision_restores_nothing(as_root: Client, revision: str) -> None:
    configuration.change({"timeout": 60}, author=None)
    configuration.change({"timeout": 90}, author=None)
    assert as_root.post(restore_url(1), {"revision": revision}).status_code == 200
    assert newest().pk == 2


def test_a_revision_of_another_version(as_root: Client) -> None:
    ConfigurationRevision.objects.create(pk=1, overrides={"gone": 1, "timeout": 60})
    configuration.change({"timeout": 90}, author=None)
    assert "There is no such setting." in as_root.get(restore_url(1)).content.decode()
    as_root.post(restore_url(1), {"revision": "2"})
    assert newest().pk == 2
    as_root.post(restore_url(1), {"revision": "2", "skip_invalid": "on"})
    assert newest().overrides == {"timeout": 60}


@pytest.mark.parametrize("revision", ["7", "none", "²", "9" * 30])
def test_a_revision_that_is_not_there(as_root: Client, revision: str) -> None:
    where = restore_url(1).replace("/1/", f"/{revision}/")
    assert as_root.get(where, follow=True).status_code == 200
    assert as_root.post(where, {"revision": "0"}, follow=True).status_code == 200
    assert not ConfigurationRevision.objects.exists()


def test_the_page_and_the_api_show_the_same(as_root: Client) -> None:
    save(as_root, timeout="60")
    whole = operation.document()
    assert as_root.get("/admin/config").json() == whole
    assert as_root.get(url()).context["form"]["timeout"].value() == whole["api_v2"]["timeout"] == 60
