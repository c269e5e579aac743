"""The story of one task, top to bottom: read the document, compose the request, ask the model, check the evidence."""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from django.db import Error, connection

from modelsregistry import generation, registry, secrets
from modelsregistry.contract import GenerationRequest, GenerationResult
from modelsregistry.generation import Listener
from modelsregistry.registry import ModelEntry
from processing import metrics
from processing.access import model_access
from processing.documents.contract import ReadOptions
from processing.documents.models import StoredDocument
from processing.documents.registry import enclosable
from processing.errors import DocumentFailed
from processing.pipeline import conversion, evidence, page_ranges, read, recognition, sight, whole
from processing.pipeline.asking import Answered, Asking, Send
from processing.pipeline.cache import Found
from processing.pipeline.kept import Kept
from processing.pipeline.meter import ClaimMeter
from processing.pipeline.options import RequestOptions
from processing.pipeline.patience import patiently
from processing.pipeline.read import ReadDocument
from processing.pipeline.stopwatch import Stopwatch
from processing.pipeline.telling import Telling
from processing.runtime.parameters import Parameters
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim, Outcome
from processing.tasks.models import Task

logger = logging.getLogger(__name__)

_READING_SHARE, _ASKING_SHARE = 70.0, 29.0  # percent of the progress that reading and asking take
_BETWEEN_REPORTS = 0.25  # seconds; a progress report is a durable write
_PEAK_RESET = "5"  # proc(5): what forgets the peak of a process's resident memory


def run(claim: Claim, options: RequestOptions, parameters: Parameters, deadline: float, meter: ClaimMeter) -> Outcome:
    """Work on a claimed task, and tell of it. Raises `ProcessingError` and `ModelError`; writes nothing else but
    progress, and what the `meter` sets aside."""
    with Telling(claim) as telling:
        return _run(claim, options, parameters, deadline, meter, telling)


def _run(
    claim: Claim,
    options: RequestOptions,
    parameters: Parameters,
    deadline: float,
    meter: ClaimMeter,
    telling: Telling,
) -> Outcome:
    task = claim.task
    if task.document is None:
        raise DocumentFailed("The document of this task has been deleted.", "document_gone")
    _forget_peak()
    timings = Stopwatch(parameters.slow_step_seconds)
    report = _Reporter(claim, telling)
    kept = Kept(claim, options, parameters, deadline, report.note)
    if options.conversion is not None:
        return _converted(kept, options.conversion, task.document, report, timings, meter)
    model = patiently(lambda: registry.find(task.model, model_access.asker(task.owner_id, task.api_key_id)), deadline)

    slots = recognition.slots(parameters, report.note)
    password = secrets.decrypt(task.document_secret) or None
    goes_whole = password is None and whole.is_wanted(model, task.document, options, parameters)
    read_options = replace(
        _read_options(model, task.document, options, parameters, goes_whole=goes_whole), password=password
    )
    reading = kept.reading(
        task.document, read_options, lambda source: read.read(source, read_options, deadline, report.page, slots)
    )
    _count_lookup(meter, "reading", parameters.readings_lifetime, reading)
    document = reading.value
    if not goes_whole:
        sight.require_read(document, model)
    timings.lap("read")
    attachment = whole.attachment(task.document) if goes_whole else None
    may_use = model_access.permits(task.owner_id, task.api_key_id)
    ask = partial(generation.generate, may_use=may_use, meter=meter)
    send = _sender(kept, task.document, deadline, ask, meter)
    asking = Asking(model, task.prompt, options, parameters, deadline, send, report.asking, telling.listener)
    answered = asking.about(document.pages, attachment)
    timings.lap("generate")
    citations = evidence.citations(answered.result, document.pages, task.prompt)
    timings.lap("check")
    cache = "model" if answered.was_kept else "reading" if reading.was_kept else ""
    return _outcome(claim, options, document, answered, citations, timings, cache)


def _converted(
    kept: Kept,
    wanted: conversion.Conversion,
    document: StoredDocument,
    report: _Reporter,
    timings: Stopwatch,
    meter: ClaimMeter,
) -> Outcome:
    """The document's own text, where nobody is asked about it."""
    only = _wanted_pages(document, kept.options)
    read_options = ReadOptions(images=False, ocr=wanted.ocr, only=only, enclosed=_enclosed(kept.parameters))
    slots = recognition.slots(kept.parameters, report.note)
    reading = kept.reading(
        document, read_options, lambda source: read.read(source, read_options, kept.deadline, report.page, slots)
    )
    _count_lookup(meter, "reading", kept.parameters.readings_lifetime, reading)
    timings.lap("read")
    content, data = conversion.converted(reading.value, wanted)
    timings.lap("convert")
    task = kept.claim.task
    methods = reading.value.methods
    result = {
        "content": content,
        "model_used": conversion.MODEL,
        "file_info": _file_info(task, reading.value),
        "citations": [],
        "data": data,
        "processing_metadata": {
            "prompt_length": len(task.prompt),
            "response_length": len(content),
            "model_config": kept.options.kept(),
            "extraction_method": _method(methods),
            "pages_processed": len(reading.value.pages),
            "pages_by_method": methods,
            "cache": "reading" if reading.was_kept else None,
            "timings": timings.laps,
        },
    }
    return Outcome(
        result=result,
        model_used=conversion.MODEL,
        pages=reading.value.page_count,
        input_tokens=0,
        output_tokens=0,
        cost=Decimal(0),
        cache="reading" if reading.was_kept else "",
        seconds=timings.laps,
        task_peak_mb=_peak_mb(reading.value.peak_mb),
    )


def _count_lookup(meter: ClaimMeter, cache: str, lifetime: timedelta | None, found: Found[Any]) -> None:
    """Nothing where that cache is switched off."""
    if lifetime is not None:
        meter.count(*metrics.CACHE_LOOKUPS.by(1, cache, "hit" if found.was_kept else "miss"))


def _file_info(task: Task, document: ReadDocument) -> dict[str, Any]:
    return {
        "filename": task.filename,
        "size": task.file_size,
        "type": task.file_type,
        "pages": document.page_count,
    }


def _sender(
    kept: Kept,
    document: StoredDocument,
    deadline: float,
    ask: Callable[[GenerationRequest, Listener], GenerationResult],
    meter: ClaimMeter,
) -> Send:
    """How a model is asked: its answer comes from store where it is there, and is heard in one piece then."""

    def send(request: GenerationRequest, listener: Listener) -> Found[GenerationResult]:
        def asked() -> GenerationResult:
            listener.on_restart()
            return ask(request, listener)

        # It asks the database before the model.
        found = kept.answer(request, document, lambda: patiently(asked, deadline))
        _count_lookup(meter, "model", kept.parameters.answers_lifetime, found)
        if found.was_kept:
            listener.on_restart()
            listener.on_text(found.value.text)
        return found

    return send


def _read_options(
    model: ModelEntry, document: StoredDocument, options: RequestOptions, parameters: Parameters, *, goes_whole: bool
) -> ReadOptions:
    """Recognised text for a model that does not see. For one that does, pictures of the pages that show more than their
    text tells, or of all pages where the caller forces them; the text alone beside a whole PDF.

    Raises `DocumentFailed` (`invalid_pages`).
    """
    sees = sight.sees(model, options.vision_mode, parameters)
    return ReadOptions(
        images=sees and not goes_whole,
        spare_images=options.vision_mode == "auto",
        figures=options.pdf_extract_images is not False,
        ocr=(not sees or parameters.recognise_beside_vision) and not goes_whole,
        only=_wanted_pages(document, options),
        enclosed=_enclosed(parameters),
    )


def _enclosed(parameters: Parameters) -> frozenset[str]:
    return enclosable(parameters.supported_formats, parameters.blocked_extensions)


def _wanted_pages(document: StoredDocument, options: RequestOptions) -> frozenset[int] | None:
    """None: all of them. Raises `DocumentFailed` (`invalid_pages`)."""
    if options.pages is None:
        return None
    try:
        return page_ranges.parse(options.pages, document.pages)
    except page_ranges.BadPages as error:
        raise DocumentFailed(f"pages: {error}", "invalid_pages") from error


def _outcome(  # noqa: PLR0913 - what a task comes to
    claim: Claim,
    options: RequestOptions,
    document: ReadDocument,
    answered: Answered,
    citations: list[dict[str, Any]],
    timings: Stopwatch,
    cache: str,
) -> Outcome:
    task, answer = claim.task, answered.result
    result = {
        "content": answer.text,
        "model_used": answer.model,
        "file_info": _file_info(task, document),
        "citations": citations,
        "data": answered.data,
        "processing_metadata": {
            "prompt_length": len(task.prompt),
            "response_length": len(answer.text),
            "model_config": options.kept(),
            "finish_reason": answer.finish_reason,
            "dropped": list(answer.dropped),
            "extraction_method": _method(document.methods),
            "pages_processed": len(document.pages),
            "pages_by_method": document.methods,
            "cache": cache or None,
            "context": answered.context,
            "timings": timings.laps,
            "usage": {
                "input_tokens": answer.usage.input_tokens,
                "output_tokens": answer.usage.output_tokens,
                "cached_tokens": answer.usage.cached_tokens,
                "estimated": answer.usage.estimated,
                "cost": None if answer.cost is None else float(answer.cost),
                "currency": "USD",
            },
            "model_details": dict(answer.details),
        },
    }
    return Outcome(
        result=result,
        model_used=answer.model,
        pages=document.page_count,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cost=answer.cost,
        cost_estimated=answer.usage.estimated,
        cache=cache,
        seconds=timings.laps,
        task_peak_mb=_peak_mb(document.peak_mb),
    )


def _method(methods: Mapping[str, int]) -> str:
    """One word for where the text came from; `mixed` when it came from several places. However a page's own text was
    put in order, it is `text`; `pages_by_method` tells more."""
    used = list(dict.fromkeys("text" if method == "layout" else method for method in methods if method != "none"))
    return used[0] if len(used) == 1 else "mixed" if used else "none"


def _forget_peak() -> None:
    """Let the peak be this task's: the worker has lived through others. Where that cannot be, it is the worker's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_PEAK_RESET)


def _peak_mb(reader_mb: float | None) -> float:
    """The worker's peak since the last reset and its reader's together; see proc(5) for VmHWM, in KiB."""
    try:
        status = Path("/proc/self/status").read_text()
        own = int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024
    except (OSError, IndexError, ValueError):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return round(own + (reader_mb or 0.0), 1)


class _Reporter:
    """Tells of progress, and writes it to the task's row, seldom enough that fast pages do not wait for the disk."""

    def __init__(self, claim: Claim, telling: Telling) -> None:
        self._claim = claim
        self._telling = telling
        self._last = time.monotonic()
        self._percent = 0.0

    def page(self, number: int, of: int | None) -> None:
        """About to read page `number`."""
        percent = _READING_SHARE * (number - 1) / of if of else 0.0
        words = f"extracting page {number} of {of}" if of else f"extracting page {number}"
        self._telling.progress(percent, words, page=number, pages=of)
        if time.monotonic() - self._last >= _BETWEEN_REPORTS:
            self._write(percent, words)

    def step(self, percent: float, words: str) -> None:
        """Say it now."""
        self._telling.progress(percent, words)
        self._write(percent, words)

    def _write(self, percent: float, words: str) -> None:
        try:
            lifecycle.progress(self._claim, percent, words)
        except Error:  # Nobody learns how far the work is, which is no reason to end it.
            connection.close()
            logger.debug("progress could not be written", exc_info=True)
        self._percent = percent
        self._last = time.monotonic()

    def asking(self, share: float, words: str) -> None:
        """Say it now; of the asking, this share (0.0–1.0) is done."""
        self.step(_READING_SHARE + _ASKING_SHARE * share, words)

    def note(self, words: str) -> None:
        """Say it now; the work is as far as it was."""
        self.step(self._percent, words)
