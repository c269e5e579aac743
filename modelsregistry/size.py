"""How large a request is for a model, told before it is sent: at least, at most, and roughly."""

from __future__ import annotations

from modelsregistry.contract import GenerationRequest
from modelsregistry.errors import ModelRejected

# Bytes of UTF-8 for a token: about 4 in English, 3 in Chinese; digits and tables need more tokens, never this few.
_BYTES_PER_TOKEN = 6
_TOKENS_PER_IMAGE = 64  # what the thriftiest vision models make of a page

# The other way round, what a request takes at most. Words and other scripts have two bytes or more for a token, also in
# the dialects that tokens suit least; digits and signs may be one each.
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz \n") | frozenset(range(128, 256))
_NOT_PLAIN = bytes(set(range(256)) - _PLAIN)
_FRAME = 400  # what stands around the document: instructions, marks
_FRAME_OF_PAGE = 24
_MOST_TOKENS_PER_IMAGE = 3000  # pages go out with some 1,500 pixels a side: 1,105 at OpenAI, 1,600 at Anthropic
_LIKELY_BYTES_PER_TOKEN = 4


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


def at_most(request: GenerationRequest) -> int:
    """Tokens that the request takes at most. A document that goes whole is read as text and as pictures."""
    texts = (request.system, request.instruction or request.question, *(page.text for page in request.pages))
    pictured = sum(page.image is not None or request.attachment is not None for page in request.pages)
    frame = _FRAME + _FRAME_OF_PAGE * len(request.pages)
    return sum(map(_most_tokens, texts)) + pictured * _MOST_TOKENS_PER_IMAGE + frame


def likely(request: GenerationRequest) -> int:
    """Tokens that the request takes, roughly: for what was sent and never counted."""
    texts = (request.system, request.instruction or request.question, *(page.text for page in request.pages))
    return likely_tokens(sum(len(text.encode("utf-8", "replace")) for text in texts))


def likely_tokens(length: int) -> int:
    """Tokens of a text of so many bytes, roughly."""
    return -(-length // _LIKELY_BYTES_PER_TOKEN)


def _most_tokens(text: str) -> int:
    data = text.encode("utf-8", "replace")
    plain = len(data.translate(None, _NOT_PLAIN))
    return len(data) - plain + -(-plain // 2)
