"""`manage.py import_models`: registers what the providers list, with what each model can do and costs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modelsregistry.contract import ListsModels
from modelsregistry.discovery import driver_class
from modelsregistry.errors import ModelError
from modelsregistry.importing import ImportSummary
from modelsregistry.models import Provider
from processing.access import audit
from processing.operations.registry_changes import import_models


class Command(BaseCommand):
    """Ends with an error when a provider gave no list; the others are asked all the same."""

    help = "Import the models that providers list, with their capabilities. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", help="the provider's name; by default every enabled one that lists models")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for provider in _providers(options["provider"]):
            try:
                summary = import_models(provider, audit.by_command())
            except ModelError as error:
                failed += 1
                self.stderr.write(f"{provider.name}: {error.detail} ({error.code})")
                continue
            self.stdout.write(f"{provider.name}: {_words(summary)}")
            for name in summary.created:
                self.stdout.write(f"  {name}")
        if failed:
            raise CommandError(f"{failed} of the providers gave no list of models.")


def _providers(name: str | None) -> list[Provider]:
    if name:
        named = list(Provider.objects.filter(name=name))
        if not named:
            names = ", ".join(Provider.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no provider {name!r}. There are: {names}.")
        return named
    return [one for one in Provider.objects.filter(enabled=True) if _lists(one)]


def _lists(provider: Provider) -> bool:
    try:
        return issubclass(driver_class(provider.kind), ListsModels)
    except ModelError:
        return True  # its failure is told like any other


def _words(summary: ImportSummary) -> str:
    return (
        f"{len(summary.created)} new, {len(summary.updated)} completed, "
        f"{len(summary.unchanged)} unchanged, {len(summary.skipped)} skipped"
    )
