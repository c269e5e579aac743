"""What a provider says, cut down to what can be: text that every database takes, counts that a model can reach."""

from __future__ import annotations

from dataclasses import replace

from modelsregistry import size
from modelsregistry.contract import GenerationRequest, GenerationResult, Usage

# Twice what the models with the longest context read. Rows and prices bear this, and not what a number may be in JSON.
MAX_TOKENS = 20_000_000
_MAX_NAME = 200


def plausible(result: GenerationResult, request: GenerationRequest) -> GenerationResult:
    """The result with a text of whole characters, without null characters; with a name of bearable length; and, where
    its provider counted more tokens than can be, with our own estimate."""
    usage = result.usage
    if max(usage.input_tokens, usage.output_tokens, usage.cached_tokens) > MAX_TOKENS:
        usage = Usage(size.estimate(request), size.tokens(result.text), estimated=True)
    return replace(result, text=_storable(result.text), model=_storable(result.model)[:_MAX_NAME], usage=usage)


def _storable(text: str) -> str:
    """The halves of a surrogate pair that came one by one are one character again; a lone half is none. PostgreSQL
    takes neither such a half nor a null character, and repeats the text in its error, which would be logged."""
    whole = text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "")
