"""The admin site, one file per room; Django finds it here and registers what it imports."""

from processing.admin import access, accounts, budgets, cached, documents, foreign, models, queue, runtime, tasks

__all__ = ["access", "accounts", "budgets", "cached", "documents", "foreign", "models", "queue", "runtime", "tasks"]
