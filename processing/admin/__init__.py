"""The admin site, one file per room; Django finds it here and registers what it imports."""

from processing.admin import access, accounts, cached, documents, foreign, models, queue, runtime, sign_ins, tasks

__all__ = ["access", "accounts", "cached", "documents", "foreign", "models", "queue", "runtime", "sign_ins", "tasks"]
