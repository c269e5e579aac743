"""Servers of others that are started beside ours, to be compared with or spoken to."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.service import free_port

_PATIENCE = 120.0  # seconds for a server to come up


@contextlib.contextmanager
def litellm(
    venv: Path, upstream: str, key: str, directory: Path, model_info: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """The base URL of LiteLLM's proxy with one model, `trivial`, started as its documentation says, without a database
    and without a look at the network. `venv` is a virtual environment with `litellm[proxy]`; `key` is its master key.
    """
    port = free_port()
    parameters = {"model": "openai/trivial", "api_base": upstream, "api_key": "sk-bench"}
    model = {"model_name": "trivial", "litellm_params": parameters, "model_info": dict(model_info or {})}
    config = directory / "litellm.json"  # JSON is YAML
    config.write_text(json.dumps({"model_list": [model]}))
    command = [str(venv.absolute() / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "DJANGO_"))},
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": key,
    }
    url = f"http://127.0.0.1:{port}"
    with serving([*command, "--port", str(port)], f"{url}/health/liveliness", directory, environment):
        yield f"{url}/v1"


@contextlib.contextmanager
def serving(command: list[str], probe: str, directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A server that answers at the address `probe`, until the block ends. Raises `RuntimeError`."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + _PATIENCE
            while not _answers(probe):
                if time.monotonic() > end or server.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} does not serve.\n{log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False, timeout=5).is_success
    return False
