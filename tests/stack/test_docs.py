"""Every command of the documentation is run: here, by another test that is named, or by none, for a reason."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from processing.operations import credentials
from tests.docs import commands, pages
from tests.docs.pages import Block
from tests.guide.programs import require
from tests.stack.service import ROOT, RunningService, running_service

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

# What a block may call to be run here without anybody's saying so: it speaks to the service, and changes no host.
HARMLESS = {"curl", "jq", "cat"}
PATIENCE = 120  # seconds
MARK = "\x1e"


def of_kind(block: Block) -> str:
    """`shell`, `python`, or nothing."""
    if block.language in pages.SHELL:
        return "shell"
    if block.language == pages.PYTHON or (block.language == pages.INDENTED and re.match(r"(from|import) ", block.text)):
        return "python"
    return "shell" if block.language == pages.INDENTED and not block.is_named_in(commands.NO_COMMANDS) else ""


ALL = [block for page in pages.pages() for block in pages.blocks(page)]
HERE = [block for block in ALL if of_kind(block) and not block.is_named_in([*commands.RUN_BY, *commands.NOT_RUN])]
PAGES_HERE = sorted({block.page for block in HERE})


def programs(block: Block) -> set[str]:
    """The first words of all commands of a block."""
    text = re.sub(r"<<'(\w+)'.*?\n\1\n", "\n", block.text, flags=re.DOTALL).replace("\\\n", " ")
    text = re.sub(r"'[^']*'", "''", text)
    found = set()
    for line in text.splitlines():
        for part in re.split(r"\||&&|;|\$\(", re.sub(r"(^|\s)#.*", "", line)):
            word = re.match(r'\s*(?:\w+=(?:[^\s"]*|"[^"]*")(?:\s+|$))*(\S*)', part)
            if word and word[1]:
                found.add(word[1])
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: pages change its configuration, and its webhooks may come to this host."""
    with running_service(tmp_path_factory.mktemp("docs"), API_V2_WEBHOOK_NETWORKS="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="module")
def administrators_key(service: RunningService) -> str:
    found = credentials.read(credentials.kept_in(service.data_dir))
    assert found is not None
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
        token = client.post("/api/v1/auths/signin", json={"email": found.username, "password": found.password})
        headers = {"Authorization": f"Bearer {token.json()['token']}"}
        made = client.post("/api/v1/auths/api_key", json={"name": "docs", "scopes": ["admin"]}, headers=headers)
    return str(made.json()["api_key"])


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A directory to type in that looks like the repository's, into which the commands may write."""
    for name in ("docs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("page", PAGES_HERE)
def test_the_commands_of_the_page(page: str, service: RunningService, administrators_key: str, desk: Path) -> None:
    """All of a page in one shell, so that what a block has set is there for the next."""
    require("bash", "curl", "jq")
    mine = [block for block in HERE if block.page == page]
    for block in mine:
        if of_kind(block) == "shell":
            assert programs(block) <= HARMLESS, f"{block}: name it in tests/docs/commands.py: {programs(block)}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "docs/clients/python"),
        **dict.fromkeys(("KEY", "ADMIN", "ADMIN_KEY"), administrators_key),
        "API": service.url,
        "TASK": task_of(service, administrators_key),
    }
    script = "".join(typed(block, service, administrators_key) for block in mine)
    done = subprocess.run(
        ["bash", "-c", script], cwd=desk, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(MARK)[:-1]
    assert len(printed) == len(mine)
    for block, output in zip(mine, printed, strict=True):
        is_meant = '"$API/api/v2/process" -H "Authorization: Bearer $KEY" -F prompt="What is it?"' in block.text
        assert output.strip(), f"{block} prints nothing"
        assert is_meant or not refusals(output), f"{block}: {output}"


def typed(block: Block, service: RunningService, key: str) -> str:
    """The block with address, key and receiver replaced, and a mark behind what it prints."""
    text = re.sub(r"http://(localhost|127\.0\.0\.1):3000", service.url, block.text)
    text = text.replace("https://example.com/hook", f"{service.url}/nobody").replace("sk-…", key)
    text = text.replace("<task_id>", "$TASK")
    if of_kind(block) == "python":
        text = f"{sys.executable} - <<'PYTHON'\n{text}PYTHON\n"
    return f"{{\n{text}}} || {{ echo '{block} ended with' $? >&2; exit 1; }}\nprintf '{MARK}'\n"


def refusals(output: str) -> list[str]:
    """The codes of the problems that were printed."""
    return re.findall(r'"error_type":\s*"\w+",\s*"code":\s*"(\w+)"', output)


def task_of(service: RunningService, key: str) -> str:
    form = {"prompt": "What is the total amount due?", "dedupe": "false"}
    with (ROOT / "docs/samples/invoice.pdf").open("rb") as file:
        reply = httpx.post(
            f"{service.url}/api/v2/process",
            data=form,
            files={"file": ("invoice.pdf", file)},
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30,
        )
    return str(reply.json()["task_id"])


def test_it_works() -> None:
    """Blocks are found: fenced ones and indented ones, shell and Python."""
    kinds = {(block.page, of_kind(block), block.language) for block in HERE}
    assert ("docs/answers.md", "shell", "indented") in kinds
    assert ("docs/delivery.md", "shell", "bash") in kinds
    assert ("docs/clients/README.md", "python", "indented") in kinds
    text = "A=$(curl -s \"$B\" | jq -r '.x, ls') && C=1 rm -r / # ps\ncat > f <<'E'\nls\nE\nsudo curl \\\n  ls\n"
    assert programs(Block("", 1, "bash", text)) == {"curl", "jq", "rm", "cat", "sudo"}


@pytest.mark.parametrize("named", [*commands.RUN_BY, *commands.NOT_RUN, *sorted(commands.NO_COMMANDS)], ids=str)
def test_what_is_named_stands_on_a_page(named: commands.Named) -> None:
    assert any(block.is_named_in([named]) for block in ALL)


@pytest.mark.parametrize("named", sorted(set(commands.RUN_BY.values())))
def test_the_tests_that_run_the_others_are_there(named: str) -> None:
    path, _, test = named.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not test or test in defined


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "json"], ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)
