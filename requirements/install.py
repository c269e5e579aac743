"""Makes the virtual environment `.venv` from the layers named on the command line, unless it is there already.

Runs before anything is installed: standard library only, and a syntax that an old Python can still read, so that it can
say what is wrong.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main(layers: list[str]) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (this is what tells an old Python)
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version_info[0]}.{sys.version_info[1]}.")
    files = [ROOT / "requirements" / (layer + ".txt") for layer in layers]
    stamp = VENV / ("installed-" + "-".join(layers))
    wanted = fingerprint(files)
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.exists():
        return
    make_environment()
    install(files)
    stamp.write_text(wanted)


def fingerprint(files: list[Path]) -> str:
    found = hashlib.sha256(sys.version.encode())
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def make_environment() -> None:
    try:
        import ensurepip  # noqa: F401  (Debian leaves it out of its python3)
    except ImportError:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        sys.exit(f"Python's venv module is incomplete. On Debian or Ubuntu: apt install {package}")
    if not PYTHON.exists():
        say("Making a virtual environment in .venv …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)


def install(files: list[Path]) -> None:
    """Runs pip and turns what it says into one line of progress. No cache is kept: it would double the disk used."""
    total = sum(len(re.findall(r"^[\w.-]+==", file.read_text(), re.M)) for file in files)
    say(f"Installing {total} packages …")
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    for file in files:
        command += ["-r", str(file)]
    environment = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    pip = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    said = []
    seen = 0
    for line in pip.stdout:
        said.append(line)
        if line.startswith("Collecting "):
            seen += 1
            show(seen, total, line.split()[1])
        elif line.startswith("Installing collected"):
            say("\nUnpacking …" if sys.stdout.isatty() else "Unpacking …")
    if pip.wait():
        sys.exit("".join(said[-15:]) + "\nThe packages could not be installed; pip's own words are above.")


def show(seen: int, total: int, name: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K  {seen}/{total} {name}")
        sys.stdout.flush()
    elif seen % 10 == 0:
        say(f"  {seen}/{total} {name}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
