"""The composed database's script, on a cluster whose superuser has a password, as the image `postgres` makes one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide.programs import require
from tests.postgres.server import Server
from tests.stack.service import ROOT, environment_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

PASSWORD = "it's secret"


def test_it_works(postgres: Server, tmp_path: Path) -> None:
    """The service's role can do what the service needs, and is no superuser; the one there is cannot sign in."""
    require("psql")
    postgres.query("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'it''s secret'")
    given = {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": PASSWORD, "PATH": os.environ["PATH"]}
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port)}
    subprocess.run([ROOT / "deploy/compose/plain_role.sh"], env={**given, **where}, check=True, capture_output=True)
    roles = "SELECT rolname, rolsuper, rolpassword IS NULL FROM pg_authid WHERE rolname IN ('apiv2', 'postgres')"
    assert sorted(postgres.query(roles).splitlines()) == ["apiv2|f|f", "postgres|t|t"]
    url = f"postgres://apiv2@127.0.0.1:{postgres.port}/apiv2"
    environment = environment_for(tmp_path, 3000, DATABASE_URL=url)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    assert postgres.query("SELECT count(*) FROM processing_task", "apiv2") == "0"
