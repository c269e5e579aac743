"""The process that serves a model: llama.cpp by `xllamacpp`, in a fresh interpreter that knows nothing of the service.

Run as a program, with a JSON object on standard input: `parent`, `model`, `projector`, `alias`, `secret`, `port` (0 for
any), `context` and `idle` (tokens, seconds), `threads`. When it listens it prints its address, and it ends when the
parent dies or closes standard input.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2)
_ERRORS_ONLY = 1


def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    _die_with(wanted["parent"])
    server = _serve(wanted)
    # Only what goes wrong at the start is told: later words could be those of a document.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # a llama.cpp that is asked to end may wait for ever


def _serve(wanted: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = wanted["model"]
    params.mmproj.path = wanted["projector"]
    params.model_alias = {wanted["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = wanted["port"]
    params.api_keys = [wanted["secret"]]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False  # would show prompts
    params.offline = True
    params.verbosity = _ERRORS_ONLY
    params.n_ctx = wanted["context"]
    params.fit_params = False  # would change the context length
    params.n_parallel = 1
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.sleep_idle_seconds = wanted["idle"]
    params.warmup = False
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = wanted["threads"]
        threads.poll = 0
    return xllamacpp.Server(params)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent; where it cannot, the end of standard input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main()
