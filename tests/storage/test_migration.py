"""Documents go from one storage to another and back, each verified; what broke off goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from processing.documents import registry, store
from processing.documents.blobs import Blobs
from processing.documents.models import StoredDocument
from processing.errors import StorageUnavailable
from processing.operations.storage_migration import Journal, Migration, Tally
from tests.storage.conftest import stored_in
from tests.storage.proxy import Mood, proxied
from tests.storage.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def moving(server: Server, data_dir: Path) -> Iterator[Server]:
    """Documents lie on the disk, and one of the stand-ins is empty below its prefix."""
    with stored_in("local", below(server.variables, data_dir.name), data_dir):
        yield server


def below(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    name = next(name for name in variables if name.endswith("KEY_PREFIX"))
    return {**variables, name: prefix}


def kept(content: bytes, name: str = "a.txt", owner: str = "owner") -> StoredDocument:
    user, _ = User.objects.get_or_create(username=owner)
    return store.keep(
        user,
        ContentFile(content),
        filename=name,
        format=registry.named("txt"),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        pages=1,
    )


def lies_in(provider: str) -> set[str]:
    """The paths of what is there, each found to be what its row says."""
    blobs, found = Blobs(storages[provider]), set()
    for file in blobs.walk("documents"):
        row = StoredDocument.objects.filter(path=file.path).first()
        assert row is not None
        blobs.verified(row.path, row.size, row.sha256).close()
        found.add(file.path)
    return found


def migrate(source: str, target: str, *options: str) -> None:
    call_command("storage", "migrate", "--from", source, "--to", target, *options)


def test_it_works_there_and_back(moving: Server, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _large = (kept(each) for each in (b"one", b"two", b"large" * 2_000_000))
    kept(b"one", "the same under another name.txt")
    kept(b"one", owner="stranger")
    paths = {document.path for document in StoredDocument.objects.all()}
    assert len(paths) == 4

    migrate("local", moving.provider, "--dry-run")
    assert "To copy: 4 documents, 9.5 MB." in capsys.readouterr().out
    assert lies_in(moving.provider) == set()
    migrate("local", moving.provider)
    assert f"All 4 documents are in {moving.provider}." in capsys.readouterr().out
    assert lies_in(moving.provider) == paths
    assert lies_in("local") == paths

    storages["local"].delete(second.path)
    (data_dir / "files" / first.path).write_bytes(b"o")  # A part, as a crash leaves it.
    migrate(moving.provider, "local")
    said = capsys.readouterr().out
    assert "Copied and verified: 2 documents" in said
    assert "There already: 2." in said
    assert lies_in("local") == paths


@pytest.mark.parametrize("server", ["s3", "azure"], indirect=True)
def test_from_one_place_to_another_of_the_same_kind(
    server: Server, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose variables are in a file; what was verified in one such place is not believed of another."""
    kind, goals = server.provider, [data_dir / "new.env", data_dir / "newer.env"]
    for goal in goals:
        variables = below(server.variables, f"{data_dir.name}/{goal.stem}")
        goal.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    with stored_in(kind, below(server.variables, data_dir.name), data_dir):
        paths = {kept(b"one").path, kept(b"two").path}
        call_command("storage", "check", kind, "--env", str(goals[0]))
        for goal in goals:
            migrate(kind, kind, "--to-env", str(goal))
            assert "Copied and verified: 2 documents" in capsys.readouterr().out
        assert lies_in(kind) == paths
        assert len(list(data_dir.glob("migrated-*.txt"))) == 2
        same = data_dir / "same.env"
        same.write_text("".join(f"{n}={v}\n" for n, v in below(server.variables, data_dir.name).items()))
        with pytest.raises(CommandError, match="the same"):
            migrate(kind, kind, "--to-env", str(same))
    for goal in goals:
        with stored_in(kind, below(server.variables, f"{data_dir.name}/{goal.stem}"), data_dir):
            assert lies_in(kind) == paths


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ("S3_BUCKET_NAME=No Bucket", "S3_BUCKET_NAME: takes small letters"),
        ("S3_REGION_NAME=eu-central-1", "S3_BUCKET_NAME: STORAGE_PROVIDER=s3 needs this"),
    ],
)
def test_a_file_of_malformed_variables_is_refused_as_at_a_start(
    data_dir: Path, capsys: pytest.CaptureFixture[str], variables: str, told: str
) -> None:
    file = data_dir / "new.env"
    file.write_text(variables)
    with pytest.raises(SystemExit):
        migrate("local", "s3", "--to-env", str(file))
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_what_broke_off_goes_on_and_reads_nothing_twice(server: Server, data_dir: Path) -> None:
    with proxied(server.port) as proxy, stored_in("local", below(server.through(proxy.port), data_dir.name), data_dir):
        for content in (b"one", b"two", b"three"):
            kept(content)
        source, target = Blobs(storages["local"]), Blobs(storages["s3"])
        journal = data_dir / "journal"

        def break_off(tally: Tally, _of: int) -> None:
            proxy.become(Mood.GONE)

        with pytest.raises(StorageUnavailable):
            Migration(source, target, Journal(journal), break_off).run()
        proxy.become(Mood.FINE)
        with journal.open("a") as file:
            file.write("documents/1/cut sho")  # The process died while it wrote.
        tally = Migration(source, target, Journal(journal)).run()
        assert (tally.there_already, tally.copied, tally.missing, tally.damaged) == (1, 2, [], [])
        again = Migration(source, target, Journal(journal)).run()
        assert (again.there_already, again.copied) == (3, 0)
        assert len(lies_in("s3")) == 3


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_what_the_source_has_lost_is_told_and_the_rest_is_copied(
    moving: Server, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, damaged, sound = kept(b"lost"), kept(b"damaged"), kept(b"sound")
    storages["local"].delete(lost.path)
    (data_dir / "files" / damaged.path).write_bytes(b"dAmaged")
    with pytest.raises(CommandError, match="2 documents are missing or damaged"):
        migrate("local", "s3")
    told = capsys.readouterr().err
    assert f"missing: {lost.path}" in told
    assert f"damaged: {damaged.path}" in told
    assert lies_in("s3") == {sound.path}


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_what_is_damaged_in_the_target_is_copied_anew(moving: Server) -> None:
    document = kept(b"words")
    Blobs(storages["s3"]).put(document.path, ContentFile(b"wOrds"))
    migrate("local", "s3")
    assert lies_in("s3") == {document.path}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("migrate", "--from", "local", "--to", "local"), "the same"),
        (("migrate", "--from", "local", "--to", "azure"), "The variables of azure are not set"),
        (("check", "gcs"), "The variables of gcs are not set"),
        (("check", "s3", "--env", "nowhere.env"), "There is no file nowhere.env"),
        (("migrate", "--from", "local", "--to", "local", "--to-env", "x"), "cp or rsync"),
    ],
)
def test_what_cannot_be_done_is_told(data_dir: Path, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("storage", *arguments)


def test_a_storage_is_tried(remote: Server, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("storage", "check", remote.provider)
    assert capsys.readouterr().out.splitlines() == [
        f"{remote.provider}: write, read and delete a file: well",
        f"{remote.provider}: the same with one of several parts: well",
        f"{remote.provider}: list files: well",
    ]


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_a_storage_that_does_not_work_is_told_in_the_librarys_words(server: Server, data_dir: Path) -> None:
    with (
        stored_in("s3", {**server.variables, "S3_BUCKET_NAME": "not-there"}, data_dir),
        pytest.raises(CommandError, match=r"s3: write, read and delete a file: .*NoSuchBucket"),
    ):
        call_command("storage", "check", "s3")
