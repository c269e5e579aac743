"""Ties processes together, so that none is left behind when another is killed. What only Linux can do is left out
elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection

PARENT_VARIABLE = "API_V2_SERVED_BY"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


def environment_for_children() -> dict[str, str]:
    """This process's environment with the mark by which a child knows that it is to end with this process."""
    return {**os.environ, PARENT_VARIABLE: str(os.getpid())}


def end_with_server() -> None:
    """In a child of `manage.py serve`: ask the kernel for SIGTERM when the server dies. Elsewhere: nothing."""
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if parent:
        end_with_parent(int(parent), signal.SIGTERM)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Ask the kernel for this signal when the parent dies; end now if it is already dead."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        raise SystemExit(0)


def adopt_orphans() -> None:
    """Make the orphans among this process's descendants its own children, where it can end them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def bury_orphans(mine: Collection[int]) -> None:
    """Let go of adopted orphans that have ended; `mine` are the children whose end somebody else waits for."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in mine:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)
