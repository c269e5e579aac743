"""An archive is taken as it was made, or not at all."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from processing.operations.backup import acceptance, reading, sealing, sqlite
from processing.operations.backup.acceptance import Consent
from processing.operations.backup.errors import BackupFailedError, RestoreRefusedError
from processing.operations.backup.manifest import Manifest
from processing.operations.backup.reading import Member
from tests.operations import archives
from tests.operations.archives import DOCUMENT, KEY, PATH, Entry, entry


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return archives.write(tmp_path / "archive")


def walked(content: bytes) -> tuple[Manifest, dict[str, bytes]]:
    seen: dict[str, bytes] = {}

    def take(member: Member) -> None:
        seen[member.name] = member.file.read()

    return reading.walk(io.BytesIO(content), take), seen


def refused(content: bytes) -> str:
    with pytest.raises(RestoreRefusedError) as refusal:
        walked(content)
    return str(refusal.value)


def test_it_works(archive: bytes) -> None:
    manifest, seen = walked(archive)
    assert manifest.is_signed_by([KEY])
    assert list(seen) == ["configuration.json", "database.sqlite3.gz", f"files/{PATH}", "documents.jsonl"]
    assert seen[f"files/{PATH}"] == DOCUMENT


def test_other_programs_read_it(archive: bytes) -> None:
    """A tar whose list of checksums is as sha256sum writes it."""
    found = {member.name: content for member, content in archives.entries(archive)}
    sums = found["SHA256SUMS"].decode().splitlines()
    assert [line.split("  ")[1] for line in sums] == [
        name for name in found if name not in ("SHA256SUMS", "manifest.json")
    ]


def test_one_that_is_cut_off_anywhere_is_refused(archive: bytes) -> None:
    end = archive.rindex(b'"signature"')
    for length in range(0, end, 499):
        assert refused(archive[:length])
    assert refused(archive[: end + 20])


def test_one_with_a_flipped_bit_anywhere_is_refused(archive: bytes) -> None:
    """But for the padding between members and for what a header says of times and owners, which is not looked at."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = tar.getmembers()
    for member in members:
        for place in {member.offset_data, member.offset_data + member.size // 2, member.offset_data + member.size - 1}:
            changed = bytearray(archive)
            changed[place] ^= 0x04
            with pytest.raises(RestoreRefusedError):
                acceptance.require_key(walked(bytes(changed))[0], KEY, Consent())


def test_something_behind_the_end_is_refused(archive: bytes) -> None:
    assert "follows its end" in refused(archive + bytes(1 << 21) + b"more")


@pytest.mark.parametrize("content", [b"", b"no archive", bytes(4096), gzip.compress(b"x" * 5000, mtime=0)])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    assert refused(content) in (
        "This is no archive of a backup.",
        "The archive is incomplete: it ends before its manifest.",
    )


@pytest.mark.parametrize(
    "name",
    [
        "../secret_key",
        "/etc/cron.d/evil",
        f"files/../../{PATH}",
        f"files//{PATH}",
        "files/documents/7/ab/../../../x",
        "files/health/abc",
        f"files/{PATH}/x",
        "files\\documents",
        "serve.lock",
        f"files/{PATH}\n",
    ],
)
def test_a_name_that_no_backup_has_is_refused(archive: bytes, name: str) -> None:
    changed = archives.rebuilt(archive, lambda found: [*found[:3], entry(name, b"x"), *found[3:]], honest=True)
    assert "which no backup has" in refused(changed)


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE,
        tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.AREGTYPE,
    ],
)  # fmt: skip
def test_what_is_no_regular_file_is_refused(archive: bytes, kind: bytes) -> None:
    evil = entry(f"files/{PATH}", type=kind, linkname="/etc/passwd")
    changed = archives.rebuilt(archive, lambda found: [*found[:3], evil, *found[4:]])
    assert "is no regular file" in refused(changed)


def test_further_headers_are_refused_unread(archive: bytes) -> None:
    """A name or an attribute in a header of its own may be as long as the archive, and is read into memory."""
    long = entry("files/" + "x" * 5000, b"x")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert "is no regular file" in refused(archives.packed([*archives.entries(archive)[:3], long], form))


def _twice(found: list[Entry]) -> list[Entry]:
    return [*found[:4], *found[3:]]


def _another_order(found: list[Entry]) -> list[Entry]:
    return [found[0], found[2], found[1], *found[3:]]


def _two_databases(found: list[Entry]) -> list[Entry]:
    return [*found[:3], entry("database.pgdump", b"x"), *found[3:]]


@pytest.mark.parametrize("change", [_twice, _another_order, _two_databases])
def test_what_comes_twice_or_elsewhere_is_refused(archive: bytes, change: Callable[[list[Entry]], list[Entry]]) -> None:
    assert "comes twice, or not in its place" in refused(archives.rebuilt(archive, change, honest=True))


def test_a_missing_member_is_refused(archive: bytes) -> None:
    assert "damaged or was changed" in refused(archives.rebuilt(archive, lambda found: [*found[:3], *found[4:]]))


def test_a_list_of_checksums_of_another_archive_is_refused(archive: bytes, tmp_path: Path) -> None:
    def with_own_list(found: list[Entry]) -> list[Entry]:
        honest = archives.entries(archives.rebuilt(archive, lambda _: [*found[:3], *found[4:]], honest=True))
        return [*honest[:-1], found[-1]]

    assert "checksums" in refused(archives.rebuilt(archive, with_own_list))


def test_who_makes_all_fit_still_lacks_the_key(archive: bytes, settings: Settings) -> None:
    def with_other_database(found: list[Entry]) -> list[Entry]:
        return [*found[:2], entry("database.sqlite3.gz", b"xyz"), *found[3:]]

    settings.SECRET_KEY = KEY
    manifest, _ = walked(archives.rebuilt(archive, with_other_database, honest=True))
    with pytest.raises(RestoreRefusedError, match="another SECRET_KEY, or it was changed"):
        acceptance.require_key(manifest, None, Consent())


def test_a_newer_format_is_refused_by_its_number(archive: bytes) -> None:
    changed = archives.rebuilt(archive, lambda found: [entry("api-v2-backup", b"2\n"), entry("new", b"")])
    assert refused(changed).startswith("The archive has format 2, and this version of the service reads up to 1.")


@pytest.mark.parametrize(
    "changed", [{"service_version": "2.0.1"}, {"service_version": "10.0.0"}, {"migrations": ["processing.0999_new"]}]
)
def test_one_of_a_newer_version_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(RestoreRefusedError, match="Restore it with the version that made it"):
        acceptance.require_version(archives.manifest(**changed))


def test_one_of_the_other_database_is_refused() -> None:
    with pytest.raises(RestoreRefusedError, match="migrate_database"):
        acceptance.require_vendor(archives.manifest(vendor="postgresql"))


@pytest.mark.parametrize("changed", [b"{}", b"[]", b"\xff", b"{" * 100_000, b'{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(archive: bytes, changed: bytes) -> None:
    found = archives.rebuilt(archive, lambda found: [*found[:-1], entry("manifest.json", changed)])
    assert "its manifest cannot be read" in refused(found)


def test_a_huge_manifest_is_refused_unread(archive: bytes) -> None:
    found = archives.rebuilt(archive, lambda found: [*found[:-1], entry("manifest.json", bytes(5 << 20))])
    assert "too large" in refused(found)


def test_a_database_is_not_unpacked_beyond_its_size(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    with pytest.raises(RestoreRefusedError, match="does not have the size"):
        sqlite.unpack(io.BytesIO(bomb), tmp_path / "database", 1 << 20)
    assert (tmp_path / "database").stat().st_size <= 1 << 20
    for damaged in (bomb[:1000], b"none", bomb[:500] + b"\xff" * 100 + bomb[600:]):
        with pytest.raises(RestoreRefusedError):
            sqlite.unpack(io.BytesIO(damaged), tmp_path / "database", 50 << 20)


class TestSealed:
    """Encrypted for an identity."""

    def sealed(self, directory: Path, content: bytes) -> tuple[Path, Path]:
        recipient = sealing.make_identity(directory / "identity")
        with (directory / "sealed").open("wb") as out, sealing.writing(out, [recipient]) as stream:
            stream.write(content)
        return directory / "sealed", directory / "identity"

    def test_it_works(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 3000
        sealed, identity = self.sealed(tmp_path, content)
        assert content[:100] not in sealed.read_bytes()
        assert identity.stat().st_mode & 0o777 == 0o600
        with sealing.reading(sealed, identity) as stream:
            assert stream.read() == content

    def test_without_the_identity_or_with_another_it_is_refused(self, tmp_path: Path) -> None:
        sealed, _ = self.sealed(tmp_path, b"content")
        sealing.make_identity(tmp_path / "another")
        for identity, sentence in (
            (None, "--identity"),
            (tmp_path / "another", "cannot be decrypted"),
            (sealed, "no file with an identity"),
            (tmp_path / "missing", "no file with an identity"),
        ):
            with pytest.raises(RestoreRefusedError, match=sentence), sealing.reading(sealed, identity) as stream:
                stream.read()

    def test_a_changed_or_cut_one_is_refused(self, tmp_path: Path) -> None:
        sealed, identity = self.sealed(tmp_path, bytes(300_000))
        whole = sealed.read_bytes()
        for content in (whole[:-1], whole[:70_000], whole[:200_000] + b"x" + whole[200_001:]):
            sealed.write_bytes(content)
            with (
                pytest.raises(RestoreRefusedError, match="cannot be decrypted"),
                sealing.reading(sealed, identity) as stream,
            ):
                stream.read()

    def test_who_stops_reading_half_way_is_not_told_of_a_damage(self, tmp_path: Path) -> None:
        sealed, identity = self.sealed(tmp_path, bytes(3_000_000))
        with pytest.raises(ZeroDivisionError), sealing.reading(sealed, identity) as stream:
            assert stream.read(10)
            raise ZeroDivisionError

    def test_an_identity_replaces_none(self, tmp_path: Path) -> None:
        sealing.make_identity(tmp_path / "identity")
        with pytest.raises(FileExistsError):
            sealing.make_identity(tmp_path / "identity")

    def test_what_is_no_recipient_is_refused(self, tmp_path: Path) -> None:
        with (
            pytest.raises(BackupFailedError, match="public key"),
            (tmp_path / "out").open("wb") as out,
            sealing.writing(out, ["age1wrong"]) as stream,
        ):
            stream.write(b"x")
