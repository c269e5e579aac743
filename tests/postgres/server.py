"""A PostgreSQL of the tests' own: a fresh cluster in a temporary directory, on the loopback interface, ended by pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stack.service import free_port

_PATIENCE = 60.0  # seconds for the server to answer, or to end
_OWNER = "api_v2"


class MissingServerError(Exception):
    """PostgreSQL's server programs are not installed here."""


class Server:
    """One cluster of databases. `fsync` off is for tests: they kill processes, and never the machine. It listens on
    loopback, or on another address of this machine's, and there trusts whoever is in the same /24."""

    def __init__(self, directory: Path, *, fsync: bool = False, address: str = "127.0.0.1") -> None:
        self._programs = programs()
        self._directory = directory
        self._data = directory / "data"
        self._fsync = fsync
        self._address = address
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._run("initdb", "-D", str(self._data), "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        if address != "127.0.0.1":
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {address}/24 trust\n")

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{_OWNER}@{self._address}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = {
            "listen_addresses": self._address,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
            "max_connections": 200,
        }
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._directory, **_another_user()
            )
        end = time.monotonic() + _PATIENCE
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT breaks off all connections in good order, SIGQUIT as if it had crashed."""
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_PATIENCE)
        self._process = None

    def create_database(self, name: str) -> str:
        """Make an empty database; returns its URL."""
        self.query(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def query(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for a statement, without headings."""
        return self._run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)).strip()

    @property
    def log(self) -> Path:
        return self._directory / "log"

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", self._address, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd=self._directory, capture_output=True, text=True, **_another_user())
        assert done.returncode == 0, done.stderr
        printed: str = done.stdout
        return printed


def programs() -> Path:
    """The directory of initdb and postgres, the newest version's. Raises `MissingServerError`."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if installed:
        return installed[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise MissingServerError("PostgreSQL's server is not installed (Debian: apt install postgresql)")


@contextmanager
def running_server(*, fsync: bool = False, address: str = "127.0.0.1") -> Iterator[Server]:
    """A started server whose directory goes when the block ends. Raises `MissingServerError`."""
    programs()
    with tempfile.TemporaryDirectory(prefix="apiv2-postgres-") as name:
        directory = Path(name)
        if (other := _another_user()) != {}:
            os.chown(directory, other["user"], other["group"])
        server = Server(directory, fsync=fsync, address=address)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _another_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: whom `subprocess` shall run it as instead."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
