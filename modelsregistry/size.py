"""How large a request is for a model, told before it is sent: an estimate that would rather let one pass."""

from __future__ import annotations

from modelsregistry.contract import GenerationRequest
from modelsregistry.errors import ModelRejected

# Bytes of UTF-8 for a token: about 4 in English, 3 in Chinese; digits and tables need more tokens, never this few.
_BYTES_PER_TOKEN = 6
_TOKENS_PER_IMAGE = 64  # what the thriftiest vision models make of a page


def require_fit(request: GenerationRequest, context_length: int | None) -> None:
    """Raises `ModelRejected` (`context_length_exceeded`) when the model could not read the request in any case."""
    if context_length is not None and estimate(request) > context_length:
        raise ModelRejected(
            "The document and the prompt are longer than this model can read.", "context_length_exceeded"
        )


def estimate(request: GenerationRequest) -> int:
    """Tokens that the request takes at least."""
    texts = (request.system, request.instruction or request.question)
    if request.attachment is not None:
        return tokens(*texts)
    images = sum(page.image is not None for page in request.pages)
    return tokens(*texts, *(page.text for page in request.pages)) + images * _TOKENS_PER_IMAGE


def tokens(*texts: str) -> int:
    """Tokens that the texts take at least."""
    return sum(len(text.encode("utf-8", "replace")) for text in texts) // _BYTES_PER_TOKEN
