"""The app that knows the models and speaks to them."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """Its name, and its checks."""

    name = "modelsregistry"
    verbose_name = "Models"

    def ready(self) -> None:
        """Registers the system check of the drivers, and what happens when somebody is named as a user of a model."""
        from modelsregistry import checks, limits  # noqa: F401 -- importing them registers them
