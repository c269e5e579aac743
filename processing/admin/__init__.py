"""The admin site, one file per room; Django finds it here and registers what it imports."""

from processing.admin import access, accounts, cached, documents, foreign, limits, models, queue, runtime, tasks

__all__ = ["access", "accounts", "cached", "documents", "foreign", "limits", "models", "queue", "runtime", "tasks"]
