"""A conversion in docling-serve's words: a task, a document in JSON, or a ZIP of documents."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from django.http import FileResponse, HttpResponseBase, JsonResponse

from processing.api.conversions import one_failed
from processing.delivery.conversions import Converting
from processing.queue.submit import position_of
from processing.tasks.models import FINAL, Status, Task

FORMATS = ("md", "json", "html", "text")
_EXTENSIONS = {"md": "md", "json": "json", "html": "html", "text": "txt"}
_IN_MEMORY = 4 * 1024 * 1024  # bytes of a ZIP; a larger one is written to disk


def task_reply(found: Converting) -> dict[str, Any]:
    """Where it stands."""
    first = found.tasks[0]
    ended = [task for task in found.tasks if task.status in FINAL]
    waits = first.status == Status.QUEUED
    return {
        "task_id": str(found.id),
        "task_type": "convert",
        "task_status": _state(found),
        "task_position": position_of(first.seq, first.priority) if waits else None,
        "task_meta": {
            "num_docs": len(found.tasks),
            "num_processed": len(ended),
            "num_succeeded": len(found.successes),
            "num_failed": len(found.failures),
        },
        "error_message": next((one_failed(task).detail for task in found.failures), None),
    }


def result_reply(found: Converting) -> HttpResponseBase:
    """What came of it: of one document JSON, unless a ZIP was asked for; of several a ZIP. Raises what the reading
    failed with where nothing came of it."""
    if not found.successes:
        raise one_failed(found.failures[0])
    if found.how.target == "zip" or len(found.tasks) > 1:
        return _zip(found)
    (task,) = found.tasks
    return JsonResponse(
        {
            "document": _document(task, found.how.formats),
            "status": _state(found),
            "errors": _errors(found),
            "processing_time": _seconds(task),
            "timings": {},
        }
    )


def _state(found: Converting) -> str:
    if not found.has_ended:
        return "pending" if all(task.status == Status.QUEUED for task in found.tasks) else "started"
    if not found.successes:
        return "failure"
    return "partial_success" if _errors(found) else "success"


def _errors(found: Converting) -> list[dict[str, str]]:
    """The formats that we cannot write, and the documents that could not be read."""
    unknown = [
        _error("user_input", f"The format {name} is not written here.")
        for name in found.how.formats
        if name not in FORMATS
    ]
    too_long = [
        _error("document_backend", f"{task.filename} is too long to be written as {name}.")
        for task in found.successes
        for name in _missing(task, found.how.formats)
    ]
    failed = [_error("document_backend", f"{task.filename}: {one_failed(task).detail}") for task in found.failures]
    return unknown + too_long + failed


def _missing(task: Task, formats: Iterable[str]) -> list[str]:
    """The formats that the worker did not make."""
    data = (task.result or {}).get("data", {})
    return [name for name in ("html", "text") if name in formats and name not in data]


def _error(component: str, message: str) -> dict[str, str]:
    return {"component_type": component, "module_name": "api_v2", "error_message": message}


def _document(task: Task, formats: Iterable[str]) -> dict[str, Any]:
    made = _made(task, formats)
    contents = {f"{name}_content": made.get(name) for name in FORMATS}
    return {"filename": task.filename, **contents, "doctags_content": None}


def _made(task: Task, formats: Iterable[str]) -> Mapping[str, Any]:
    """The formats that were asked for and that there are."""
    result = task.result or {}
    found = {"md": result["content"], "json": None, **result["data"]}
    if "json" in formats:
        found["json"] = _docling_document(task)
    return {name: found[name] for name in FORMATS if name in formats and found.get(name) is not None}


def _docling_document(task: Task) -> dict[str, Any]:
    """A DoclingDocument with one text for each page. We know neither the size of a page nor the place of its text, so
    the boxes that the form requires are empty."""
    result = task.result or {}
    pages = result["data"]["pages"]
    texts = [
        {
            "self_ref": f"#/texts/{number}",
            "parent": {"$ref": "#/body"},
            "children": [],
            "content_layer": "body",
            "label": "text",
            "prov": [
                {
                    "page_no": place["page"],
                    "bbox": {"l": 0.0, "t": 0.0, "r": 0.0, "b": 0.0, "coord_origin": "TOPLEFT"},
                    "charspan": [0, place["end"] - place["start"]],
                }
            ],
            "orig": result["content"][place["start"] : place["end"]],
            "text": result["content"][place["start"] : place["end"]],
        }
        for number, place in enumerate(pages)
    ]
    return {
        "schema_name": "DoclingDocument",
        "version": "1.0.0",
        "name": PurePosixPath(task.filename).stem,
        "furniture": _root("furniture", 0),
        "body": _root("body", len(texts)),
        "groups": [],
        "texts": texts,
        "pictures": [],
        "tables": [],
        "key_value_items": [],
        "pages": {
            str(place["page"]): {"size": {"width": 0.0, "height": 0.0}, "page_no": place["page"]} for place in pages
        },
    }


def _root(name: str, texts: int) -> dict[str, Any]:
    return {
        "self_ref": f"#/{name}",
        "children": [{"$ref": f"#/texts/{number}"} for number in range(texts)],
        "content_layer": name,
        "name": "_root_",
        "label": "unspecified",
    }


def _seconds(task: Task) -> float:
    if task.completed_at is None or task.started_at is None:
        return 0.0
    return round((task.completed_at - task.started_at).total_seconds(), 3)


def _zip(found: Converting) -> FileResponse:
    """A file for each document and format; and, where something could not be done, `errors.json`."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (the response closes it)
    names: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for task in found.successes:
            stem = _free(PurePosixPath(task.filename).stem or "document", names)
            for name, content in _made(task, found.how.formats).items():
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                archive.writestr(f"{stem}.{_EXTENSIONS[name]}", text)
        if errors := _errors(found):
            archive.writestr("errors.json", json.dumps(errors, ensure_ascii=False))
    file.seek(0)
    return FileResponse(file, content_type="application/zip", as_attachment=True, filename="converted_docs.zip")


def _free(stem: str, names: set[str]) -> str:
    """The name, with a number behind it where it is taken."""
    free, number = stem, 1
    while free.lower() in names:
        number += 1
        free = f"{stem}_{number}"
    names.add(free.lower())
    return free
