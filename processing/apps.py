"""The app that turns a document and a prompt into an answer."""

from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    name = "processing"
    verbose_name = "Document processing"
