"""The way to an answer: the model that was asked for, tried again where that helps, and then those that stand in."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from modelsregistry import breaker, prices, size, slots
from modelsregistry.contract import GenerationRequest, GenerationResult, ignore_text
from modelsregistry.errors import ModelError, ModelForbidden, ModelMisconfigured, ModelRejected
from modelsregistry.metering import Call, Meter, Unmetered
from modelsregistry.models import RegisteredModel
from modelsregistry.plausible import plausible
from modelsregistry.registry import offered

logger = logging.getLogger(__name__)

TRIES = 3
_FIRST_PAUSE = 0.5  # seconds; twice as long before each further try
_LONGEST_PAUSE = 20.0  # a longer wait is the queue's: a worker is not to stand idle

# What another model may take although this one does not.
_ELSEWHERE = (
    "context_length_exceeded",
    "request_too_large",
    "images_not_supported",
    "vision_required",
    "provider_error",
    "request_rejected",
)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who watches an answer arrive: `on_text` gets each piece; after `on_restart` what came so far does not count."""

    on_text: Callable[[str], None] = ignore_text
    on_restart: Callable[[], None] = lambda: None


def generate(
    request: GenerationRequest,
    listener: Listener | None = None,
    *,
    may_use: Callable[[str], bool] = lambda _: True,
    meter: Meter | None = None,
) -> GenerationResult:
    """Ask the model that the request names, with its own settings where the request has none; when it fails, those of
    its fallbacks that the caller `may_use`, in the administrator's order.

    The result's `model` is the public id of who answered; `details` say under which name, and `fallbacks` who was asked
    before in vain. The `meter` is asked before each request and told of each. Raises `ModelError`: the first one that
    is worth another try, else the first of all.
    """
    listener, meter = listener or Listener(), meter or Unmetered()
    failures: list[tuple[str, ModelError]] = []
    for model in _candidates(request.model, may_use):
        try:
            result = _asked(model, request, listener, meter)
        except ModelError as error:
            if not failures and not _others_may_help(error):
                raise
            logger.warning("model failed", extra={"model": model.public_id, "code": error.code})
            failures.append((model.public_id, error))
            listener.on_restart()
            continue
        told = [{"model": public_id, "code": error.code} for public_id, error in failures]
        return replace(result, details={**result.details, **({"fallbacks": told} if told else {})})
    errors = [error for _, error in failures]
    raise next((error for error in errors if error.retryable), errors[0])


def _candidates(wanted: str, may_use: Callable[[str], bool]) -> Iterator[RegisteredModel]:
    """The model itself, and then its fallbacks, as far as they are there."""
    first = offered(wanted)
    yield first
    for public_id in first.fallbacks:
        with contextlib.suppress(ModelMisconfigured):
            if public_id != wanted and may_use(public_id):
                yield offered(public_id)


def _others_may_help(error: ModelError) -> bool:
    if isinstance(error, ModelForbidden):
        return False
    return not isinstance(error, ModelRejected) or error.code in _ELSEWHERE


def _asked(model: RegisteredModel, request: GenerationRequest, listener: Listener, meter: Meter) -> GenerationResult:
    """One model's answer, tried again while the provider's rules and the time allow it. Raises `ModelError`."""
    fitted, dropped = _fitted(request, model)
    size.require_fit(fitted, model.context_length)
    for number in range(1, TRIES + 1):
        try:
            result = _tried(model, Call(meter, model, fitted, listener.on_text))
        except ModelError as error:
            pause = _pause(error, number)
            if pause is None or number == TRIES or time.monotonic() + pause >= fitted.deadline:
                raise
            logger.info("model is asked again", extra={"model": model.public_id, "code": error.code, "in": pause})
            listener.on_restart()
            time.sleep(pause)
            model.provider.refresh_from_db(fields=["consecutive_failures", "open_until"])  # Others ask it too.
        else:
            return _told(result, model, dropped, tries=number)
    raise AssertionError("unreachable")


def _pause(error: ModelError, number: int) -> float | None:
    """Seconds to wait before the next try: what the provider asks, or a random share of a growing pause ("full jitter",
    aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter); None where another try would not help now."""
    if not error.retryable or error.code in ("provider_open", "provider_busy"):
        return None
    pause = _FIRST_PAUSE * 2 ** (number - 1)
    asked = error.retry_after
    wait = random.uniform(pause / 2, pause) if asked is None else asked + random.uniform(0.0, pause / 2)  # noqa: S311
    return wait if wait <= _LONGEST_PAUSE else None


def _tried(model: RegisteredModel, call: Call) -> GenerationResult:
    provider, request = model.provider, call.request
    breaker.require_closed(provider)
    driver = provider.driver(
        model.upstream_id,
        vision=model.vision,
        native_pdf=model.native_pdf,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
    )
    started = time.monotonic()
    with slots.of(provider, request.deadline):
        call.announce()
        try:
            result = plausible(driver.generate(request, call.hear), request)
        except ModelError as error:
            call.failed(error)
            breaker.note(provider, error)
            raise
        except BaseException:  # The work is stopped from outside, which is none of the provider's failures.
            call.interrupted()
            raise
        call.answered(result)
    breaker.note(provider, None)
    logger.info(
        "model answered",
        extra={
            "model": model.public_id,
            "provider": provider.name,
            "finish_reason": result.finish_reason,
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "seconds": round(time.monotonic() - started, 3),
        },
    )
    return result


def _told(
    result: GenerationResult, model: RegisteredModel, dropped: tuple[str, ...], *, tries: int
) -> GenerationResult:
    details = {**result.details, "provider": model.provider.name, "upstream_model": result.model}
    if tries > 1:
        details["tries"] = tries
    return replace(
        result,
        model=model.public_id,
        dropped=(*dropped, *result.dropped),
        details=details,
        cost=prices.cost(result.usage, model),
    )


def _fitted(request: GenerationRequest, model: RegisteredModel) -> tuple[GenerationRequest, tuple[str, ...]]:
    """The request as this model takes it, and the fields that it does not take."""
    temperature = model.temperature if request.temperature is None else request.temperature
    wanted = model.max_tokens if request.max_tokens is None else request.max_tokens
    caps = [cap for cap in (wanted, model.max_output_tokens) if cap is not None]
    timeout = model.answer_timeout
    given = {
        "temperature": temperature,
        "max_tokens": None if wanted is None else min(caps),
        "response_schema": request.response_schema,
    }
    dropped = tuple(name for name, value in given.items() if value is not None and name in model.refused_fields)
    deadline = request.deadline if timeout is None else min(request.deadline, time.monotonic() + timeout)
    kept = {name: None if name in dropped else value for name, value in given.items()}
    return replace(request, deadline=deadline, **kept), dropped  # type: ignore[arg-type]  # each has its field's type
