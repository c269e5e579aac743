"""What one task may take from store instead of working for it, and what it leaves there for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from modelsregistry.contract import GenerationRequest, GenerationResult
from modelsregistry.fingerprint import fingerprint
from processing.documents.contract import ReadOptions
from processing.documents.models import StoredDocument
from processing.pipeline import answers, cache, readings
from processing.pipeline.cache import Found, Terms
from processing.pipeline.options import RequestOptions
from processing.pipeline.patience import patiently
from processing.pipeline.read import ReadDocument
from processing.runtime.parameters import Parameters
from processing.tasks.lifecycle import Claim


@dataclass(frozen=True, slots=True)
class Kept:
    """The caches as they are for one task; `announce` tells its caller what is waited for."""

    claim: Claim
    options: RequestOptions
    parameters: Parameters
    deadline: float
    announce: Callable[[str], None]

    def reading(
        self, document: StoredDocument, how: ReadOptions, read: Callable[[StoredDocument], ReadDocument]
    ) -> Found[ReadDocument]:
        """The document read so, by `read` where nobody of its owner had it read so lately."""
        lifetime = self.parameters.readings_lifetime
        if lifetime is None:
            return Found(read(document), was_kept=False)
        terms = self._terms(lifetime, "waiting while another task reads the same document")
        return cache.through(readings.key(document, how), readings.FORM, terms, lambda: read(document))

    def answer(
        self, request: GenerationRequest, document: StoredDocument, ask: Callable[[], GenerationResult]
    ) -> Found[GenerationResult]:
        """The answer to the request, by `ask` where its owner did not ask the same of the same model lately."""
        lifetime = self.parameters.answers_lifetime
        if lifetime is None:
            return Found(ask(), was_kept=False)
        terms = self._terms(lifetime, "waiting while another task asks the same")
        state = patiently(lambda: fingerprint(request.model), self.deadline)
        key = answers.key(request, state, document.owner_id, document.sha256)
        return cache.through(key, answers.FORM, terms, ask)

    def _terms(self, lifetime: timedelta, words: str) -> Terms:
        renew = bool(self.options.skip_cache)
        return Terms(self.claim, lifetime, self.deadline, renew, lambda: self.announce(words))
