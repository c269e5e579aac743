"""The app that knows the models and speaks to them."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "modelsregistry"
    verbose_name = "Models"
