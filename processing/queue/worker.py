"""What a worker does with a delivery: claim the next task, work on it, put the outcome on its row."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from django.db import Error, InterfaceError, OperationalError, connection

from modelsregistry.errors import ModelError, ModelForbidden, ModelTimeout
from processing.access.budgets import BudgetReserved
from processing.errors import (
    DeadlineExceeded,
    ModelFailed,
    ModelUnavailable,
    ProcessingError,
    ServiceUnavailable,
    StorageUnavailable,
)
from processing.pipeline import run
from processing.pipeline.meter import ClaimMeter
from processing.pipeline.options import RequestOptions
from processing.queue import admission, host, turns
from processing.queue.settle import settle
from processing.queue.watch import Interrupted, Watch
from processing.runtime import heap, log_context
from processing.runtime.capacity import effective_max_concurrent
from processing.runtime.configuration import InForce, current
from processing.tasks import lifecycle, spending
from processing.tasks.lifecycle import Claim, Outcome

logger = logging.getLogger(__name__)


def work() -> bool:
    """Take the next task, if there is one, through to its end; whether there was. One of the two doors where every
    error is caught."""
    in_force = current()
    claim = _claimed(in_force)
    if claim is None:
        return False
    with log_context.of_task(str(claim.id), claim.task.request_id):
        logger.info("task started", extra={"attempt": claim.task.attempts})
        _worked_on(claim, in_force)
    if in_force.parameters.memory_management.cleanup_after_processing:
        heap.give_back()
    return True


def _worked_on(claim: Claim, in_force: InForce) -> None:
    options = RequestOptions.restored(claim.task.options)
    began = time.monotonic()
    meter = ClaimMeter(claim, began + options.timeout)
    try:
        outcome = _within_bounds(claim, options, in_force, meter)
        if outcome is None:
            _account_late(claim, meter)
        else:
            _settle(claim, meter, partial(lifecycle.complete, claim, outcome, meter.total, meter.counted))
    except BudgetReserved as error:
        if meter.has_reserved:  # A model was asked already, so it was an attempt.
            _fail(claim, meter, error)
        else:
            delay = turns.comes_up_in(claim.task, time.monotonic() - began, in_force.parameters)
            settle(claim, partial(lifecycle.put_off, claim, delay=delay))
    except ProcessingError as error:
        if error.__cause__ is not None:
            logger.warning("task met an error", extra={"task": claim.id, "code": error.code}, exc_info=True)
        _fail(claim, meter, error)
    except (OperationalError, InterfaceError):
        logger.exception("task lost its database", extra={"task": claim.id})
        connection.close()
        _fail(claim, meter, ServiceUnavailable("The database did not answer.", "database_unavailable"))
    except Exception:
        logger.exception("task met an unexpected error", extra={"task": claim.id})
        _fail(claim, meter, ProcessingError("The document could not be processed.", "internal_error"))


def _claimed(in_force: InForce) -> Claim | None:
    if admission.memory_is_short(in_force.parameters):  # It may have become so since the delivery.
        return None
    return lifecycle.claim(host.name(), os.getpid(), effective_max_concurrent(in_force.parameters))


def _fail(claim: Claim, meter: ClaimMeter, error: ProcessingError) -> None:
    if isinstance(error, StorageUnavailable) and turns.waits_for_storage(claim.task, asked=meter.has_reserved):
        settle(claim, partial(lifecycle.put_off, claim, delay=turns.STORAGE_SECONDS, wait="the storage"))
        return
    _settle(claim, meter, partial(lifecycle.fail, claim, error, meter.total, meter.counted))


def _settle(claim: Claim, meter: ClaimMeter, write: Callable[[], bool]) -> None:
    if not settle(claim, write):
        _account_late(claim, meter)


def _account_late(claim: Claim, meter: ClaimMeter) -> None:
    """The task is not ours any more; what was spent on it was spent."""
    if not (meter.total or meter.has_reserved or meter.counted):
        return
    try:
        spending.settle_late(claim.task, claim.token, meter.total, meter.counted)
    except Error:
        logger.exception("use could not be noted", extra={"task": claim.id})
        connection.close()


def _within_bounds(claim: Claim, options: RequestOptions, in_force: InForce, meter: ClaimMeter) -> Outcome | None:
    """Run the pipeline under a watch; None when the task is no longer ours, so that nothing is to be written."""
    deadline = meter.deadline
    watch = Watch(claim, deadline)
    try:
        return watch.over(lambda: run.run(claim, options, in_force.parameters, deadline, meter))
    except Interrupted:
        connection.close()  # It may have been in the middle of a statement, and a driver may still wait for the answer.
        if watch.reason == "lost":
            logger.info("work stopped: the task is not ours any more", extra={"task": claim.id})
            return None
        raise DeadlineExceeded(f"The task took longer than its {options.timeout:g} seconds.", "task_timeout") from None
    except ModelForbidden as error:
        if isinstance(error.__cause__, ProcessingError):
            raise error.__cause__ from None
        raise ModelFailed(error.detail, error.code) from error
    except ModelTimeout as error:
        raise DeadlineExceeded(error.detail, error.code) from error
    except ModelError as error:
        family = ModelUnavailable if error.retryable else ModelFailed
        wait = None if error.retry_after is None else int(error.retry_after) + 1
        raise family(error.detail, error.code, retry_after=wait) from error
