"""What the service answers with. Fields have the names that they have on the wire; those that it adds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Shape = TypeVar("Shape")
FINAL = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Citation:
    """A passage that stands verbatim on its page; `score` is from 0 to 1."""

    page: int
    text: str
    score: float


@dataclass(frozen=True)
class Result:
    """An answer; `data` is there if a schema was given."""

    content: str
    model_used: str
    citations: tuple[Citation, ...]
    data: Any
    processing_metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """A task and where it stands: `progress` in percent, times in Unix seconds, `processing_time` in seconds."""

    task_id: str
    status: str
    progress: float
    step: str
    position: int | None
    result: Result | None
    error: str | None
    error_code: str | None
    created_at: float
    completed_at: float | None
    processing_time: float | None
    model_used: str | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL


@dataclass(frozen=True)
class StoredFile:
    """A document that was uploaded; `size` in bytes."""

    file_id: str
    filename: str
    size: int
    type: str
    pages: int | None


@dataclass(frozen=True)
class Model:
    """A model that may be named."""

    id: str
    name: str
    vision_capable: bool
    available: bool
    reason: str | None


@dataclass(frozen=True)
class Models:
    """All of them, and the one that answers where none is named."""

    models: tuple[Model, ...]
    default_model: str | None


def task(body: Mapping[str, Any]) -> Task:
    """Of `GET /api/v2/status/{task_id}`."""
    return _picked(Task, {**body, "result": _result(body.get("result"))})


def stored_file(body: Mapping[str, Any]) -> StoredFile:
    """Of `POST /api/v2/upload`."""
    return _picked(StoredFile, body)


def models(body: Mapping[str, Any]) -> Models:
    """Of `GET /api/v2/models`."""
    found = tuple(_picked(Model, each) for each in body["models"])
    return _picked(Models, {**body, "models": found})


def _result(body: Mapping[str, Any] | None) -> Result | None:
    if body is None:
        return None
    return _picked(Result, {**body, "citations": tuple(_picked(Citation, each) for each in body["citations"])})


def _picked(shape: type[Shape], body: Mapping[str, Any]) -> Shape:
    return shape(**{field.name: body[field.name] for field in fields(shape)})  # type: ignore[arg-type]
