"""The routes of the API. Paths have no trailing slash; one is accepted."""

from __future__ import annotations

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter

from processing.api import (
    admin_budgets,
    admin_config,
    admin_models,
    config,
    health,
    models,
    ollama_tags,
    process,
    status,
    tasks,
    upload,
    usage,
    version,
)


class Router(SimpleRouter):
    """Routes that end with a slash or without."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"  # a pattern: DRF's own argument knows only one or the other


v2 = Router()
v2.register("process", process.ProcessViewSet, "process")
v2.register("status", status.StatusViewSet, "status")
v2.register("tasks", tasks.TaskViewSet, "tasks")
v2.register("usage", usage.UsageViewSet, "usage")
v2.register("upload", upload.UploadViewSet, "upload")
v2.register("models", models.ModelViewSet, "models")
v2.register("health", health.HealthViewSet, "health")
v2.register("config", config.ConfigViewSet, "config")

site = Router()
site.register("api/version", version.VersionViewSet, "version")
site.register("api/v1/models", admin_models.RegistryViewSet, "v1-models")
site.register("api/v1/configs", admin_config.ConfigsViewSet, "v1-configs")
site.register("ollama/api/tags", ollama_tags.OllamaTagViewSet, "ollama-tags")
site.register("admin/config", admin_config.ConfigurationViewSet, "admin-config")
site.register("admin/budgets", admin_budgets.BudgetViewSet, "admin-budgets")
site.register("admin/models", admin_models.RegisteredModelViewSet, "admin-models")

_schema = SpectacularJSONAPIView.as_view(permission_classes=[AllowAny], authentication_classes=[])
_docs = SpectacularSwaggerView.as_view(
    url_name="openapi", permission_classes=[AllowAny], authentication_classes=[], title="API v2"
)

urlpatterns = [
    re_path(r"^api/v2/openapi\.json/?$", _schema, name="openapi"),
    re_path(r"^api/v2/docs/?$", _docs, name="docs"),
    path("api/v2/", include(v2.urls)),
    *site.urls,
]
