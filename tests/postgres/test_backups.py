"""Backups of PostgreSQL, and the way from SQLite to it: everything arrives, or nothing changes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.postgres.server import Server, programs
from tests.stack.service import ROOT, environment_for
from tests.stack.test_model_docs import commands
from tests.stack.test_readme import paste

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

KEY = "kFq3zT8vXw1mN6rB0sYd4uHj7aLcEgPiOqR2x"  # of nobody
PATIENCE = 60.0  # seconds
REPLACE = ("restore", "--replace", "--allow-superuser")  # the tests' own role is one

FILL = """
import hashlib
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from modelsregistry.provisioning import provision
call_command("migrate", verbosity=0)
from processing.access import keys
from processing.documents import registry, store
from processing.pipeline.options import RequestOptions
from processing.tasks import lifecycle
from processing.tasks.models import Task

provision({})
user = User.objects.create_user("alice")
keys.mint(user, "first")
for number in range(3):
    data = f"The total is {number}.00 EUR.".encode()
    document = store.keep(
        user, ContentFile(data), filename="ä 'quoted'.txt", format=registry.named("txt"), size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), pages=None,
    )
    wanted = lifecycle.Submission(user.pk, None, document, "The total?", "local", RequestOptions().kept(), 0, "")
    lifecycle.submit(wanted)
first, second, third = Task.objects.order_by("seq")
content = {"content": "x" * 3_000_000, "b": [1, 1.5, 2.0, 1e22, None, True]}
content["a"] = {"ö": "\\\\ \\t \\u2028 \\N{GRINNING FACE}"}
claim = lifecycle.claim("a", 1, 5)
lifecycle.complete(claim, lifecycle.Outcome(content, "local", 1, 10, 20, 1.25))
lifecycle.claim("b", 1, 5)
third.delete()
"""
SHOW = """
import json
from processing.tasks.models import Task
print("SHOWN " + json.dumps([Task.objects.order_by("seq").values_list("result", flat=True)[0],
    str(Task.objects.order_by("seq")[0].created_at)], sort_keys=True))
"""


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout
    *_progress, sentence = done.stderr.splitlines()
    assert sentence.startswith("CommandError: "), done.stderr
    return sentence


def environment(directory: Path, **variables: str) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    client = {"PATH": f"{programs()}:{os.environ['PATH']}"}
    return {**environment_for(directory, 1), **client, "SECRET_KEY": KEY, **variables}


def shown(environment: dict[str, str]) -> str:
    said = manage(environment, "shell", "--no-imports", "-c", SHOW)
    return next(line for line in said.splitlines() if line.startswith("SHOWN"))


def state(postgres: Server, url: str) -> str:
    return postgres.query(
        "SELECT status, attempts, max_attempts, lease_expires_at < now() FROM processing_task ORDER BY seq",
        url.rsplit("/", 1)[1],
    )


def test_it_works(postgres: Server, tmp_path: Path) -> None:
    old, new = (postgres.create_database(name) for name in ("saved", "restored"))
    here = environment(tmp_path / "old", DATABASE_URL=old)
    manage(here, "shell", "--no-imports", "-c", FILL)
    archive = manage(here, "backup", str(tmp_path / "shelf")).strip()

    there = environment(tmp_path / "new", DATABASE_URL=new)
    for how in ((), ("--dry-run",)):
        assert "The role api_v2 of DATABASE_URL is a superuser" in refused(there, "restore", archive, *how)
    assert postgres.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "restored") == "0"
    assert manage(there, "restore", archive, "--allow-superuser").startswith("Restored.")
    assert shown(there) == shown(here)
    trail = "SELECT door, action, target_id FROM processing_auditentry WHERE target_kind = 'backup'"
    for database, action in (("saved", "made"), ("restored", "restored")):
        assert postgres.query(trail, database) == f"command|{action}|{Path(archive).name}"
    assert state(postgres, new) == "completed|1|3|\nprocessing|1|4|t"
    # The numbers go on, and the triggers are there.
    sequence = "SELECT nextval(pg_get_serial_sequence('processing_task', 'seq'))"
    assert postgres.query(sequence, "restored") == "4"
    triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
    assert postgres.query(triggers, "restored") == postgres.query(triggers, "saved") != "0"

    refused_while_it_runs(postgres, there, archive)
    assert "--replace" in refused(there, "restore", archive, "--allow-superuser")
    postgres.query("UPDATE processing_task SET prompt = 'of the old data'", "restored")
    killed_while_it_restores(postgres, there, archive)
    assert postgres.query("SELECT DISTINCT prompt FROM processing_task", "restored") == "of the old data"
    manage(there, *REPLACE, archive)
    assert postgres.query("SELECT DISTINCT prompt FROM processing_task", "restored") == "The total?"


def test_a_role_that_merely_owns_the_database_restores_it(postgres: Server, tmp_path: Path) -> None:
    saved = postgres.create_database("saved_by_plain")
    here = environment(tmp_path / "old", DATABASE_URL=saved)
    manage(here, "migrate", "-v0")
    archive = manage(here, "backup", str(tmp_path / "shelf")).strip()
    postgres.query("CREATE ROLE plain LOGIN")
    postgres.query("CREATE DATABASE of_plain OWNER plain")
    owned = postgres.url("of_plain").replace("api_v2@", "plain@")
    assert manage(environment(tmp_path / "new", DATABASE_URL=owned), "restore", archive).startswith("Restored.")
    postgres.query("ALTER ROLE plain SUPERUSER")
    as_another = environment(tmp_path / "new", DATABASE_URL=f"{owned}?options=-c%20role%3Dpg_monitor")
    assert "The role plain of DATABASE_URL is a superuser" in refused(as_another, "restore", archive, "--dry-run")


def killed_while_it_restores(postgres: Server, there: dict[str, str], archive: str) -> None:
    """Somebody's lock on one of the last tables stops it after it has dropped others; then it is killed."""
    locking = "BEGIN; LOCK TABLE processing_workerhost; SELECT pg_sleep(60)"
    program = str(programs() / "psql")
    with subprocess.Popen(
        [program, "-X", "-q", "-c", locking, postgres.url("restored")], stdout=subprocess.DEVNULL
    ) as holder:
        try:
            until(postgres, "wait_event = 'PgSleep'")
            command = [sys.executable, "manage.py", *REPLACE, archive]
            with subprocess.Popen(command, cwd=ROOT, env=there) as restoring:
                until(postgres, "wait_event_type = 'Lock'")
                restoring.send_signal(signal.SIGKILL)
        finally:
            holder.kill()
    postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    until(postgres, "datname = 'restored'", there_is=False)


def until(postgres: Server, condition: str, *, there_is: bool = True) -> None:
    end = time.monotonic() + PATIENCE
    question = f"SELECT count(*) > 0 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {condition}"
    while (postgres.query(question) == "t") != there_is:
        assert time.monotonic() < end
        time.sleep(0.05)


def refused_while_it_runs(postgres: Server, there: dict[str, str], archive: str) -> None:
    postgres.query(
        "INSERT INTO processing_workerhost (host, pid, workers, max_concurrent, memory_used_percent, started_at,"
        " heartbeat_at) VALUES ('other', 1, 1, 1, 0, now(), now() + interval '1 hour')",
        "restored",
    )
    assert "Workers run on this database, on other" in refused(there, *REPLACE, archive)
    postgres.query("DELETE FROM processing_workerhost", "restored")
    with psycopg.connect(there["DATABASE_URL"], application_name="api-v2 web"):
        assert "Other processes of API v2 are connected" in refused(there, *REPLACE, archive)


def test_all_rows_go_from_sqlite_to_postgresql(postgres: Server, tmp_path: Path) -> None:
    target = postgres.create_database("target")
    here = environment(tmp_path / "data")
    manage(here, "shell", "--no-imports", "-c", FILL)
    database = tmp_path / "data" / "apiv2.sqlite3"
    to = {**here, "TARGET_DATABASE_URL": target}

    with contextlib.closing(sqlite3.connect(database)) as source:
        source.execute("UPDATE processing_task SET prompt = 'a' || char(0) WHERE seq = 2")
        source.commit()
        assert "The row 2 of processing_task holds a null character" in refused(to, "migrate_database")
        assert postgres.query("SELECT count(*) FROM auth_user", "target") == "0"
        source.execute("UPDATE processing_task SET prompt = 'The total?' WHERE seq = 2")
        source.commit()
        tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {
            name: source.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in tables
            if not name.startswith("sqlite_")
        }
    [command] = [line for line in commands("docs/operations/databases.md") if "migrate_database" in line]
    said = paste(command.replace("postgres://user:password@host/name", target), here)
    assert "2  processing_task" in said
    found = {name: int(postgres.query(f'SELECT count(*) FROM "{name}"', "target")) for name in counts}
    assert found == counts
    there = {**here, "DATABASE_URL": target}
    before, after = (json.loads(shown(each).removeprefix("SHOWN ")) for each in (here, there))
    assert before == after
    # The third task is gone, and its number is not given again.
    assert postgres.query("SELECT nextval(pg_get_serial_sequence('processing_task', 'seq'))", "target") == "4"
    assert "The target is not empty" in refused(to, "migrate_database")
    assert "The target is the address of a PostgreSQL" in refused(here, "migrate_database", "--to", "sqlite:///x")
    archive = manage(here, "backup", str(tmp_path / "shelf")).strip()
    assert "migrate_database` takes SQLite to PostgreSQL" in refused(there, "restore", archive, "--dry-run")
