"""The app that knows the models and speaks to them."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """Its name, and its checks."""

    name = "modelsregistry"
    verbose_name = "Models"

    def ready(self) -> None:
        """Registers the system check of the drivers."""
        from modelsregistry import checks  # noqa: F401 -- importing it registers it
