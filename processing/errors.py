"""One tree of errors that a client may see: a family, a stable code and a safe sentence.

    ProcessingError
    ├── InvalidInput          validation_error   400, 412, 413, 415 or 422 by code
    ├── AccessDenied          auth_error         401, 403
    ├── NotFound              system_error       404
    ├── LimitReached          rate_limit_error   429
    ├── DocumentFailed        processing_error   a document that breaks while it is read
    ├── ModelFailed           processing_error   the model could not answer
    ├── DeadlineExceeded      timeout_error      504
    └── ServiceUnavailable    system_error       503; StorageUnavailable is one

`api/errors.py` alone turns a family into an HTTP status. The sentence of an error is for the client: it never holds a
path, a secret or what an upstream said; the cause goes to the log by `raise … from`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class ProcessingError(Exception):
    """Something went wrong in a way that the caller is told about.

    `code` is machine-readable and never changes its meaning; `retryable` says whether the same work may succeed later;
    `errors` names the fields at fault; `retry_after` is in seconds.
    """

    error_type: ClassVar[str] = "system_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        code: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.errors = errors
        self.retry_after = retry_after


class InvalidInput(ProcessingError):
    """What the client sent cannot be accepted."""

    error_type = "validation_error"


class AccessDenied(ProcessingError):
    """The caller is unknown, or may not do this."""

    error_type = "auth_error"


class NotFound(ProcessingError):
    """There is no such thing, or it is a stranger's."""


class LimitReached(ProcessingError):
    """The caller has used up a limit; `retry_after` says when it is renewed."""

    error_type = "rate_limit_error"


class RateExceeded(LimitReached):
    """More calls than are allowed in a span of time; `policies` names the limits, as the reply's headers do."""

    def __init__(self, detail: str, code: str, *, policies: Sequence[str], retry_after: int) -> None:
        super().__init__(detail, code, retry_after=retry_after)
        self.policies = policies


class DocumentFailed(ProcessingError):
    """The document could not be read."""

    error_type = "processing_error"


class ModelFailed(ProcessingError):
    """The model gave no usable answer, for good."""

    error_type = "processing_error"


class ModelUnavailable(ModelFailed):
    """The model gave no answer this time; a later attempt may."""

    retryable = True


class DeadlineExceeded(ProcessingError):
    """The work took longer than it was allowed."""

    error_type = "timeout_error"


class ServiceUnavailable(ProcessingError):
    """The service cannot take this now; `retry_after` says when to come back."""

    retryable = True


class StorageUnavailable(ServiceUnavailable):
    """The storage of documents cannot be reached, or refuses what is its work."""

    def __init__(self) -> None:
        detail = "The storage of documents does not answer. Come back soon."
        super().__init__(detail, "storage_unavailable", retry_after=15)
