"""This host's slots for recognising text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from django.conf import settings

from processing.documents import ocr
from processing.documents.recognition_slots import RecognitionSlots
from processing.runtime import capacity
from processing.runtime.parameters import Parameters


def slots(parameters: Parameters, announce: Callable[[str], None] = lambda _: None) -> RecognitionSlots:
    """As many as the configuration or the host allows; `announce` tells that one is waited for. They are this host's:
    the data directory may be on a disk that several hosts share."""
    host = hashlib.sha256(settings.API_V2_HOST_NAME.encode()).hexdigest()[:16]
    count = capacity.effective_max_concurrent_ocr(parameters, ocr.threads(capacity.usable_cores()))
    return RecognitionSlots(settings.DATA_DIR / "recognition" / host, count, announce)
