"""What a provider's refusal means: mended by an administrator alone, never to pass, or worth another try."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from modelsregistry.errors import ModelError, ModelMisconfigured, ModelOverloaded, ModelRejected

_LONGEST_WAIT = 86_400.0

# What OpenAI and Anthropic document as worth another try, and their SDKs try again.
RETRYABLE = frozenset({408, 409, 425, 429, *range(500, 600)})

_NO_CREDIT = (
    "insufficient_quota",
    "billing_hard_limit",
    "billing_not_active",
    "billing_error",
    "credit balance",
    "credits are depleted",
    "spend limit",
    "spend_limit",
    "spending cap",
    "api usage limits",
)
_BAD_KEY = ("api_key_invalid",)
_NOT_SERVED = ("user location is not supported",)
_TOO_LONG = (
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context window",
    "prompt is too long",
    "exceeds the available context size",
    "exceed context limit",
    "exceeds the maximum number of tokens",
    "exceeds the context length",
    "exceeded max context length",
)
_FILTERED = ("content_filter", "content_policy", "responsibleaipolicy")
_NO_IMAGES = (
    "image input is not supported",
    "does not support image",
    "is not a multimodal model",
    "image_url is only",
    "only supports one image",
)
_NO_SUCH_MODEL = ("model_not_found", "no such model", "unknown model")


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error as a provider put it. `words` are its codes, types and message joined; they never reach a client.

    `wait` is what it asks for in its body, in seconds. `retryable` are the statuses that this provider calls so.
    """

    status: int
    words: str = ""
    headers: Mapping[str, str] | None = None
    wait: float | None = None
    retryable: Collection[int] = RETRYABLE


def refusal(complaint: Complaint) -> ModelError:
    """The error that a complaint amounts to, in words that a client may read.

    Follows what the provider documents as retryable, unless `x-should-retry` says otherwise, with the exceptions that
    no status tells: spent quotas under 429, unsupported input under 500.
    """
    words = complaint.words.lower()
    return _by_words(words) or _by_status(complaint, words)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as `Retry-After` (seconds or an HTTP date) or OpenAI's `retry-after-ms` ask; None without."""
    with contextlib.suppress(ValueError):
        return _sane(float(headers.get("retry-after-ms", "")) / 1000)
    value = headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return _sane(float(value))
    with contextlib.suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(value)
        moment = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return _sane(moment.timestamp() - time.time())
    return None


def _sane(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else None


def _by_words(words: str) -> ModelError | None:
    if _any(_NO_CREDIT, words):
        return ModelMisconfigured("The account at the model's provider has no credit left.", "quota_exhausted")
    if _any(_BAD_KEY, words):
        return _credential_refused()
    if _any(_NOT_SERVED, words):
        return ModelMisconfigured("The model's provider does not serve this place.", "provider_not_available_here")
    if _any(_TOO_LONG, words):
        return ModelRejected(
            "The document and the prompt are longer than this model can read.", "context_length_exceeded"
        )
    if _any(_NO_IMAGES, words):
        return ModelRejected("This model does not take images.", "images_not_supported")
    if _any(_FILTERED, words):
        return ModelRejected("The provider's content filter refused this request.", "content_filtered")
    if _any(_NO_SUCH_MODEL, words):
        return _unknown_upstream()
    return None


def _by_status(complaint: Complaint, words: str) -> ModelError:
    status, headers = complaint.status, complaint.headers or {}
    if status in (401, 403):
        return _credential_refused() if status == 401 else _not_permitted()
    if status == 402:
        return ModelMisconfigured("The account at the model's provider has no credit left.", "quota_exhausted")
    if status in (404, 405):
        return _unknown_upstream()
    if 300 <= status < 400:
        return ModelMisconfigured(
            "The provider's address redirects elsewhere, which is not followed. An administrator has to correct it.",
            "provider_redirects",
        )
    if _worth_a_retry(complaint, headers):
        return _overload(status, words, _wait(complaint, headers))
    if status == 413:
        return ModelRejected("The request is larger than the model's provider accepts.", "request_too_large")
    if status >= 500:
        return ModelRejected("The model's provider failed and asks not to try again.", "provider_error")
    return ModelRejected("The model's provider rejected the request.", "request_rejected")


def _worth_a_retry(complaint: Complaint, headers: Mapping[str, str]) -> bool:
    told = headers.get("x-should-retry", "").lower()
    return told == "true" or (told != "false" and complaint.status in complaint.retryable)


def _wait(complaint: Complaint, headers: Mapping[str, str]) -> float | None:
    told = retry_after(headers)
    return _sane(complaint.wait) if told is None and complaint.wait is not None else told


def _overload(status: int, words: str, wait: float | None) -> ModelError:
    if status == 429:
        return ModelOverloaded("The model's provider limits our rate.", "rate_limited", retry_after=wait)
    if status in (503, 529) or "overloaded" in words:
        return ModelOverloaded("The model's provider is overloaded.", "provider_overloaded", retry_after=wait)
    return ModelOverloaded("The model's provider failed.", "provider_error", retry_after=wait)


def _credential_refused() -> ModelError:
    return ModelMisconfigured("The model's provider did not accept our credential.", "credential_refused")


def _not_permitted() -> ModelError:
    """A credential may be good for answers and not for the list of models, say."""
    return ModelMisconfigured("The model's provider does not permit this with our credential.", "permission_refused")


def _unknown_upstream() -> ModelError:
    return ModelMisconfigured(
        "The provider does not know this model, or its address is wrong.", "upstream_model_unknown"
    )


def _any(needles: tuple[str, ...], words: str) -> bool:
    return any(needle in words for needle in needles)
