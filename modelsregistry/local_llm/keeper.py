"""Keeps the installed model served: starts its process, offers it, starts it again when it dies or is replaced."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import Error, connections

from modelsregistry.local_llm import offer, shelf
from modelsregistry.local_llm.child import Child, NotServedError, Serving

logger = logging.getLogger(__name__)

_LOOK = 0.25  # seconds between two looks at the process and at what is installed
_LIVED = 60.0  # seconds after which a process counts as having worked
_PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0)  # seconds before each start of one that does not live


@dataclass(frozen=True, slots=True)
class Options:
    """`context` is in tokens, the model's own where that is less; `idle` in seconds."""

    context: int
    idle: int


class Keeper:
    """Serves until `stop` is set. Only from the main thread: by that thread's life the kernel measures the parent's."""

    def __init__(self, options: Options, stop: threading.Event) -> None:
        self._options = options
        self._stop = stop
        self._failures = 0
        self._port = 0
        self._secret = ""

    def run(self) -> None:
        """Returns when `stop` is set and the process is gone. A second keeper of the same directory waits its turn."""
        while not self._stop.is_set():
            with shelf.lock("serving") as free:
                if not free:
                    logger.warning("local LLM is served by another process already")
                    self._stop.wait(_PAUSES[-1])
                    continue
                self._keep()
                _withdraw("it was stopped.")

    def _keep(self) -> None:
        while not self._stop.is_set():
            model = shelf.installed()
            if model is None:
                _withdraw("no model is installed.")
                self._stop.wait(_LOOK)
                continue
            started = time.monotonic()
            self._serve(model)
            if self._stop.is_set() or shelf.installed() != model:
                continue
            self._failures = 0 if time.monotonic() - started >= _LIVED else self._failures + 1
            self._stop.wait(_PAUSES[min(self._failures, len(_PAUSES) - 1)])

    def _serve(self, model: shelf.Installed) -> None:
        """Serve until it ends, or is to."""
        logger.info("local LLM is loading", extra={"file": model.model.name})
        options = self._options
        child = Child(model, context=options.context, idle=options.idle, port=self._port, secret=self._secret)
        try:
            serving = child.ready(self._stop)
            if serving is None:
                return
            # The next process takes the same address and secret, so that a request which waits for it is let in.
            self._port, self._secret = urlsplit(serving.base_url).port or 0, serving.secret
            logger.info(
                "local LLM is ready",
                extra={
                    "file": model.model.name,
                    "pid": child.pid,
                    "context": serving.context,
                    "vision": serving.vision,
                },
            )
            self._watch(child, model, serving)
        except NotServedError:
            self._port = 0  # It may have been the port.
            logger.error("local LLM could not be loaded", extra={"exit_code": child.exit_code})
            _withdraw("the model could not be loaded; the log says why.")
        finally:
            child.kill()

    def _watch(self, child: Child, model: shelf.Installed, serving: Serving) -> None:
        offered = False
        while not self._stop.is_set() and shelf.installed() == model:
            if child.exit_code is not None:
                logger.error("local LLM died", extra={"exit_code": child.exit_code})
                return
            offered = offered or _offer(serving)
            self._stop.wait(_LOOK)


def _offer(serving: Serving) -> bool:
    """Whether it stands in the registry now; a database that is away is asked again."""
    try:
        offer.offer(serving)
    except offer.TakenError as error:
        logger.error("local LLM cannot be offered", extra={"reason": str(error)})
    except Error:
        logger.warning("local LLM could not be offered yet", exc_info=True)
        return False
    finally:
        connections.close_all()
    return True


def _withdraw(reason: str) -> None:
    try:
        offer.withdraw(reason)
    except Error:
        logger.warning("local LLM could not be withdrawn", exc_info=True)
    finally:
        connections.close_all()
