"""A client of API v2: `Client(url, key).ask("What is the total?", file="report.pdf").result.content`."""

from apiv2.client import Client
from apiv2.errors import ApiError, ApiUnreachable, TaskFailed, TookTooLong
from apiv2.shapes import Citation, Model, Models, Result, StoredFile, Task

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "Citation",
    "Client",
    "Model",
    "Models",
    "Result",
    "StoredFile",
    "Task",
    "TaskFailed",
    "TookTooLong",
]
