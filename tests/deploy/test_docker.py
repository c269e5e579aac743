"""The image and the compose files, as far as they can be tried without a container engine: the Dockerfile's steps are
carried out in a mount namespace, and the service is started from what they left, on a read-only root file system."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guide.programs import require
from tests.stack.service import ROOT, free_port

DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

COMPOSE = ROOT / "deploy/compose"
FILES = ("single.yml", "scaled.yml")
VARIABLES = {"POSTGRES_PASSWORD": "p", "SECRET_KEY": "s", "SERVER_NAME": "api.example.org", "CERTIFICATES": "/tls"}
HOME = "/opt/openwebui"


@dataclass
class Stage:
    """The instructions between two FROMs, in order."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def stages() -> list[Stage]:
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    found: list[Stage] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage(rest.partition(" AS ")[2]))
        elif found:
            found[-1].steps.append((word, " ".join(rest.split())))
    return found


def of(stage: Stage, word: str) -> list[str]:
    return [rest for each, rest in stage.steps if each == word]


def context() -> list[str]:
    """What the build sees of the files that are or may come under version control, by the rules of .dockerignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    wanted = [rule[1:] for rule in rules if rule.startswith("!")]
    return [
        name
        for name in listed.stdout.splitlines()
        if any(name.startswith(rule) if rule.endswith("/") else Path(name).match(rule) for rule in wanted)
    ]


def test_nothing_but_the_program_is_in_the_image() -> None:
    names = context()
    assert {"manage.py", "apiv2project/web.py", "requirements/install.py", "requirements/base.txt"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "data/", ".", "evaluation/", "benchmarks/"))]
    assert not [name for name in names if name.endswith((".env", ".sqlite3", ".key", ".pem"))]


def test_layers_that_are_installed_are_locked_with_hashes() -> None:
    (default,) = re.findall(r'ARG LAYERS="([^"]+)"', DOCKERFILE.read_text())
    for layer in default.split():
        locked = (ROOT / f"requirements/{layer}.txt").read_text()
        assert locked.count("--hash=sha256:") >= len(re.findall(r"^[\w.-]+==", locked, re.MULTILINE)) > 0
    assert of(stages()[0], "RUN") == ["python requirements/install.py ${LAYERS}"]


def test_the_container_is_not_root_and_keeps_what_is_written_in_one_place() -> None:
    last = stages()[-1]
    assert of(last, "USER") == ["10001:10001"]
    assert of(last, "VOLUME") == ["/var/lib/openwebui"]
    words = [word for word, _ in last.steps]
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "RUN")


def test_the_image_starts_from_a_read_only_root(tmp_path: Path) -> None:
    """RUN and COPY as they stand there, but for the packages, which are this environment's. Then the service as its own
    user without any capability, and nowhere to write but its data directory and /tmp."""
    _require_namespaces()
    image = tmp_path / "image"
    for name in context():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, image / name)
    port = free_port()
    last = stages()[-1]
    variables = dict(part.split("=", 1) for part in shlex.split(of(last, "ENV")[0]))
    variables |= {"PORT": str(port), "HOST": "127.0.0.1", "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    prepare = [
        command.replace(".venv/bin/python", sys.executable).replace("useradd", "true useradd")
        for command in of(last, "RUN")
    ]
    (healthcheck,) = of(last, "HEALTHCHECK")
    check = json.loads(healthcheck.partition("CMD ")[2])
    start = json.loads(of(last, "CMD")[0])
    assert check[0] == start[0] == "python"
    owner = _owner()
    drop = f"setpriv --reuid={owner} --regid={owner} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
    script = f"""
        set -e
        mount --make-rprivate /
        mount -t tmpfs tmpfs /opt && mkdir {HOME} && mount --bind {image} {HOME}
        mount -t tmpfs tmpfs /var/lib && cd {HOME}
        install() {{ shift 6; command install -d -o {owner} -g {owner} -m 0700 "$@"; }}
        {"; ".join(prepare)}
        mount -o remount,ro,bind {HOME}; mount -o remount,ro /opt
        mkdir /var/lib/scratch && chmod 1777 /var/lib/scratch
        mount -o remount,ro,bind /
        mount --bind /var/lib/scratch /dev/shm
        export {environment} TMPDIR=/var/lib/scratch
        if touch {HOME}/written /written 2> /dev/null; then echo "the root can be written to"; exit 1; fi
        {drop} {sys.executable} {shlex.join(start[1:])} &
        for try in $(seq 120); do
            if {drop} {sys.executable} {shlex.join(check[1:])} 2> /dev/null; then break; fi
            kill -0 $! || exit 1
            sleep 0.25
        done
        echo "user $({drop} id -u)"
        kill -TERM $! && wait $!
    """
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env={"LANG": "C.UTF-8"})
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert f"user {owner}" in said, done.stdout
    assert {"healthy", "degraded"} & set(said), done.stdout
    assert "Stopped." in done.stdout


def _owner() -> int:
    """The image's user, or root without capabilities where this environment's Python is root's alone."""
    starts_itself = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import django'], check=True)"
    probe = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", sys.executable, "-c", starts_itself]
    return 10001 if subprocess.run(probe, capture_output=True).returncode == 0 else 0


def _require_namespaces() -> None:
    require("unshare", "setpriv", "bash")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("this user may not make namespaces; the image's steps are tried as root")


class Answer(http.server.BaseHTTPRequestHandler):
    """A service whose health is as the test says, for who asks as a proxy would."""

    status = 200
    asked: list[http.client.HTTPMessage] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers)
        body = json.dumps({"status": "degraded" if self.status == 200 else "unhealthy"}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Answer.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def healthcheck(port: int, **variables: str) -> int:
    command = [sys.executable, ROOT / "deploy/docker/healthcheck.py"]
    return subprocess.run(command, env={"PORT": str(port), **variables}, capture_output=True).returncode


def test_the_healthcheck_asks_as_the_proxy_does(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"ALLOWED_HOSTS": " api.example.org ,127.0.0.1", "API_V2_PROXY_HTTPS_HEADER": "X-Forwarded-Proto"}
    assert healthcheck(port, **names) == 0
    assert Answer.asked[-1]["Host"] == "api.example.org"
    assert Answer.asked[-1]["X-Forwarded-Proto"] == "https"
    monkeypatch.setattr(Answer, "status", 503)
    assert healthcheck(port) == 1


def test_the_healthcheck_fails_where_nobody_answers() -> None:
    assert healthcheck(free_port()) == 1


def composed(name: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the program makes of the file. Debian's knows all of it but the project's name."""
    require("docker-compose")
    (directory / name).write_text(re.sub(r"^name: .*\n", "", (COMPOSE / name).read_text(), flags=re.MULTILINE))
    shutil.copy(COMPOSE / "example.env", directory / ".env")
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}
    command = ["docker-compose", "-f", name, "config"]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", FILES)
def test_compose_files_are_understood(name: str, tmp_path: Path) -> None:
    done = composed(name, tmp_path, **VARIABLES)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    ours = [each for each in services.values() if each.get("image") == "api-v2"]
    assert ours
    for each in ours:
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert each["tmpfs"] == ["/tmp"]
    for each in services.values():
        assert "logging" in each


@pytest.mark.parametrize("missing", sorted(VARIABLES))
def test_nothing_is_composed_without_its_secrets(missing: str, tmp_path: Path) -> None:
    example = (COMPOSE / "example.env").read_text()
    if re.search(rf"^{missing}=.", example, re.MULTILINE):
        return  # the example has a value
    done = composed("scaled.yml", tmp_path, **{**VARIABLES, missing: ""})
    assert done.returncode != 0
    assert missing in done.stderr


def test_the_composed_proxy_has_the_shipped_site() -> None:
    """The names of the network are put into it by the container's own command."""
    proxy = yaml.safe_load((COMPOSE / "scaled.yml").read_text())["services"]["proxy"]
    command = proxy["command"][2].replace("$$", "$").partition(" > ")[0]
    command = command.replace("/openwebui-api-v2", str(ROOT / "deploy/nginx/openwebui-api-v2"), 1)
    environment = {"PATH": os.environ["PATH"], "SERVER_NAME": "api.example.org"}
    site = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True).stdout
    assert "server web:3000;" in site
    assert "ssl_certificate /certificates/fullchain.pem;" in site
    assert "server_name api.example.org;" in site
    assert not re.search(r"yourdomain|127\.0\.0\.1|\[::\]", site)


def test_the_commands_that_compose_gives_exist() -> None:
    services = yaml.safe_load((COMPOSE / "scaled.yml").read_text())["services"]
    commands = " ".join(" ".join(services[name]["command"]) for name in ("prepare", "web", "workers"))
    for module in re.findall(r"-m (apiv2project\.\w+)", commands):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()
    found = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate", "collectstatic"}
    assert set(re.findall(r"manage\.py (\w+)", commands)) <= found
