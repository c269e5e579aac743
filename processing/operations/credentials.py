"""The first administrator and key, as they are kept in the data directory for the person who started the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is needed to sign in to the admin site and to call the API."""

    username: str
    password: str
    key: str

    def as_text(self) -> str:
        """The file's text; `read` takes it back."""
        return (
            "# Made at the first start. When you have changed the password in the admin site, delete this file.\n"
            f"username={self.username}\npassword={self.password}\nkey={self.key}\n"
        )


def kept_in(data_dir: Path) -> Path:
    """The file that holds them."""
    return data_dir / "first-credentials.txt"


def read(path: Path) -> Credentials | None:
    """The credentials in `path`; None if there is no such file, or it was changed beyond recognition."""
    if not path.is_file():
        return None
    lines = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
    try:
        return Credentials(lines["username"], lines["password"], lines["key"])
    except KeyError:
        return None
