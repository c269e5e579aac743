"""The same bytes of one owner are kept once, and go with the last row that needs them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import connection
from django.test import override_settings

from processing.documents import registry, store
from processing.documents.models import StoredDocument

TXT = registry.named("txt")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Iterator[Path]:
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": storage, "staticfiles": static}):
        yield tmp_path


def blobs(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def keep(owner: User, content: bytes = b"words", filename: str = "a.txt") -> StoredDocument:
    return store.keep(
        owner,
        ContentFile(content),
        filename=filename,
        format=TXT,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        pages=1,
    )


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner")


def test_it_works(owner: User, files: Path) -> None:
    document = keep(owner)
    with store.opened(document) as file:
        assert file.read() == b"words"
    assert (document.format, document.media_type, document.size, document.pages) == ("txt", "text/plain", 5, 1)
    assert document.path == f"documents/{owner.pk}/{document.sha256[:2]}/{document.sha256}"


def test_the_same_bytes_are_stored_once(owner: User, files: Path) -> None:
    first, again, renamed = keep(owner), keep(owner), keep(owner, filename="b.txt")
    assert first.pk == again.pk
    assert renamed.pk != first.pk
    assert len(blobs(files)) == 1


def test_a_stranger_has_bytes_of_their_own(owner: User, files: Path) -> None:
    stranger = User.objects.create_user("stranger")
    assert keep(owner).path != keep(stranger).path
    assert len(blobs(files)) == 2


@pytest.mark.django_db(transaction=True)
def test_bytes_go_with_the_last_row(files: Path) -> None:
    owner = User.objects.create_user("owner")
    first, second = keep(owner), keep(owner, filename="b.txt")
    store.erase(first)
    assert len(blobs(files)) == 1
    store.erase(second)
    assert blobs(files) == []
    assert not StoredDocument.objects.exists()


def test_a_temporary_file_is_moved_not_copied(owner: User, files: Path) -> None:
    upload = TemporaryUploadedFile("a.txt", "text/plain", 5, None)
    upload.write(b"words")
    upload.flush()
    inode = Path(upload.temporary_file_path()).stat().st_ino
    document = store.keep(owner, upload, filename="a.txt", format=TXT, size=5, sha256="ab" * 32, pages=1)
    assert Path(default_storage.path(document.path)).stat().st_ino == inode
    upload.close()


def test_a_blob_that_a_crash_cut_short_is_replaced(owner: User, files: Path) -> None:
    path = Path(default_storage.path(keep(owner).path))
    path.write_bytes(b"wo")
    os.utime(path, (0, 0))
    with store.opened(keep(owner)) as file:
        assert file.read() == b"words"
    assert len(blobs(files)) == 1


@pytest.mark.django_db(transaction=True)
def test_eight_that_keep_the_same_at_once_make_one_row_and_one_blob(files: Path) -> None:
    owner = User.objects.create_user("owner")
    barrier, errors = threading.Barrier(8), []

    def race() -> None:
        barrier.wait()
        try:
            keep(owner, b"x" * 100_000)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert StoredDocument.objects.count() == 1
    assert len(blobs(files)) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("c:\\dir\\a.txt", "a.txt"),
        ("a\0b\r\n.txt", "ab.txt"),
        ("photo_\u202egpj.exe", "photo_gpj.exe"),
        ("", "document"),
        ("..", "document"),
        ("dir/", "document"),
        ("\u200b.pdf", ".pdf"),
        ("Übersicht — 見積.pdf", "Übersicht — 見積.pdf"),
        ("x" * 300 + ".docx", "x" * 250 + ".docx"),
        ("a.b" + "c" * 300, "a.b" + "c" * 252),
    ],
)
def test_a_name_is_made_fit_to_be_shown(name: str, shown: str) -> None:
    assert store.display_name(name) == shown


def test_names_of_all_kinds_fit_the_column(owner: User) -> None:
    for name in ("😀" * 300 + ".pdf", "." * 300, " " * 9, "a\u2028b.txt"):
        shown = store.display_name(name)
        assert 1 <= len(shown) <= 255
        assert shown == store.display_name(shown)
