"""`manage.py provision_models`: puts the built-in model and the environment's providers into the registry."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from modelsregistry.provisioning import provision


class Command(BaseCommand):
    """Ends with an error that names the variable when one is malformed."""

    help = "Register the built-in model and what the environment says of providers. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provision(settings.VARIABLES)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
