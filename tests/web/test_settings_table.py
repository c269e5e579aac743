"""What the documentation says of the settings is all there is, and true."""

from __future__ import annotations

import re
from pathlib import Path

from apiv2project.environment import Environment
from processing.runtime import defaults

ROOT = Path(__file__).resolve().parents[2]


def described() -> set[str]:
    return set(re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))


def test_every_variable_is_described() -> None:
    read = {field.alias for field in Environment.model_fields.values()}
    assert read | set(defaults.VARIABLES) | {defaults.ADMIN_CONFIG} <= described()


def test_nothing_is_described_that_is_not_read() -> None:
    source = "".join(
        path.read_text()
        for folder in ("apiv2project", "processing", "modelsregistry")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert [name for name in sorted(described()) if f'"{name}"' not in source] == []


def test_every_file_that_the_documents_name_exists() -> None:
    for document in ("README.md", "docs/architecture.md"):
        text = (ROOT / document).read_text()
        for name in re.findall(r"\]\(([\w./-]+)\)", text):
            assert ((ROOT / document).parent / name).exists(), f"{document} names {name}"
