"""What can go wrong with a model, in words that a client may read.

    ModelError
    ├── ModelMisconfigured   unknown model, bad credential, no such upstream id: an administrator must act
    ├── ModelRejected        this request will never be accepted (too long, an image for a text model, refused content)
    ├── ModelOverloaded      rate limit, overload, a 5xx, a broken connection: worth another try after `retry_after`
    ├── ModelTimeout         the deadline came first
    └── ModelForbidden       whoever watches the spending does not allow this

The message never holds an upstream's body, a URL or a secret; these are logged by `raise … from`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsregistry.contract import Usage


class ModelError(Exception):
    """A model gave no usable answer; `code` is stable and machine-readable. `usage` is what it took nevertheless, None
    where the provider did not say."""

    retryable = False

    def __init__(self, detail: str, code: str, *, retry_after: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retry_after = retry_after
        self.usage = usage


class ModelMisconfigured(ModelError):
    """The registry or the provider must be mended by an administrator."""


class ModelRejected(ModelError):
    """The model will never take this request."""


class ModelOverloaded(ModelError):
    """The provider could not answer this time."""

    retryable = True


class ModelTimeout(ModelError):
    """The deadline came before the answer."""


class ModelForbidden(ModelError):
    """The caller may not spend what this could cost."""
