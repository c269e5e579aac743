"""The first start makes what the service needs; every later one finds it done."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from modelsregistry.models import RegisteredModel
from processing.access import keys
from processing.operations import credentials, first_run
from processing.operations.credentials import Credentials
from processing.operations.data_directory import DataDirectoryInUseError, held
from processing.operations.listening import AddressUnavailableError, require_free

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings) -> Path:
    settings.DATA_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    return tmp_path


def prepare() -> tuple[Credentials | None, list[str]]:
    said: list[str] = []
    return first_run.prepare({}, said.append), said


def test_it_works(data_dir: Path) -> None:
    made, _ = prepare()

    assert made is not None
    user = User.objects.get()
    assert (user.username, user.is_superuser) == ("admin", True)
    assert user.check_password(made.password)
    key = keys.find(made.key)
    assert key is not None
    assert (key.user, key.scopes) == (user, ["admin"])
    assert credentials.read(credentials.kept_in(data_dir)) == made
    assert RegisteredModel.objects.exists()
    assert any((data_dir / "static").iterdir())


def test_the_second_start_changes_nothing(data_dir: Path) -> None:
    made, _ = prepare()
    again, said = prepare()

    assert again is None
    assert said == []
    assert User.objects.count() == 1
    assert credentials.read(credentials.kept_in(data_dir)) == made


def test_the_kept_file_is_the_owners_alone(data_dir: Path) -> None:
    prepare()
    assert credentials.kept_in(data_dir).stat().st_mode & 0o777 == 0o600


def test_no_administrator_is_made_where_there_are_users(data_dir: Path) -> None:
    User.objects.create_user("ada")
    assert prepare()[0] is None
    assert not credentials.kept_in(data_dir).exists()


def test_a_start_that_breaks_off_before_the_rows_are_committed_makes_new_credentials(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("os.fsync", broken)
        prepare()
    assert not User.objects.exists()

    made, _ = prepare()
    assert made is not None
    assert credentials.read(credentials.kept_in(data_dir)) == made


def test_a_start_that_breaks_off_after_the_rows_are_committed_keeps_the_credentials(data_dir: Path) -> None:
    made, _ = prepare()
    kept = credentials.kept_in(data_dir)
    kept.rename(kept.with_suffix(".draft"))

    assert prepare()[0] is None
    assert credentials.read(kept) == made


def test_a_changed_static_file_is_collected_again(data_dir: Path) -> None:
    prepare()
    (data_dir / "static" / "sources.sha256").write_text("of another version")

    assert prepare()[1] == ["Collecting static files …"]


@pytest.mark.parametrize("text", ["", "nothing\n", "key=only\n"])
def test_a_file_that_was_changed_beyond_recognition_is_no_credentials(data_dir: Path, text: str) -> None:
    kept = credentials.kept_in(data_dir)
    kept.write_text(text)
    assert credentials.read(kept) is None


def test_a_data_directory_has_one_service(data_dir: Path) -> None:
    with held(data_dir), pytest.raises(DataDirectoryInUseError, match="already runs"), held(data_dir):
        pass
    with held(data_dir):
        pass


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressUnavailableError, match=f"Port {port} on 127.0.0.1 is taken"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


def test_a_host_that_is_not_this_machine_is_named() -> None:
    with pytest.raises(AddressUnavailableError, match="Set HOST"):
        require_free("192.0.2.1", 3000)


def test_the_schema_is_up_to_date_after_the_first_start() -> None:
    call_command("migrate", "--check", verbosity=0)
