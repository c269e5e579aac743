"""The routes of the API. Paths have no trailing slash; one is accepted."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.routers import Route, SimpleRouter

from processing.api import (
    admin_budgets,
    admin_config,
    admin_models,
    api_keys,
    auths,
    batches,
    config,
    docling,
    health,
    metrics,
    models,
    ollama_tags,
    pages,
    process,
    status,
    tasks,
    upload,
    usage,
    version,
    webhooks,
)


class Router(SimpleRouter):
    """Routes that end with a slash or without. PUT on a whole resource is its `load`, where it has one."""

    routes = [
        route._replace(mapping={**route.mapping, "put": "load"})
        if isinstance(route, Route) and not route.detail
        else route
        for route in SimpleRouter.routes
    ]

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"  # a pattern: DRF's own argument knows only one or the other


v2 = Router()
v2.register("process", process.ProcessViewSet, "process")
v2.register("status", status.StatusViewSet, "status")
v2.register("tasks", tasks.TaskViewSet, "tasks")
v2.register("batches", batches.BatchViewSet, "batches")
v2.register("usage", usage.UsageViewSet, "usage")
v2.register("upload", upload.UploadViewSet, "upload")
v2.register("webhooks", webhooks.WebhookViewSet, "webhooks")
v2.register("models", models.ModelViewSet, "models")
v2.register("health", health.HealthViewSet, "health")
v2.register("config", config.ConfigViewSet, "config")

site = Router()
site.register("livez", health.LivezViewSet, "livez")
site.register("readyz", health.ReadyzViewSet, "readyz")
site.register("api/version", version.VersionViewSet, "version")
site.register("api/v1/models", admin_models.RegistryViewSet, "v1-models")
site.register("api/v1/configs", admin_config.ConfigsViewSet, "v1-configs")
site.register("api/v1/auths/api_key", api_keys.ApiKeyViewSet, "api-keys")
site.register("api/v1/auths", auths.AuthViewSet, "auths")
site.register("ollama/api/tags", ollama_tags.OllamaTagViewSet, "ollama-tags")
site.register("admin/config/revisions", admin_config.RevisionViewSet, "admin-config-revisions")
site.register("admin/config", admin_config.ConfigurationViewSet, "admin-config")
site.register("admin/budgets", admin_budgets.BudgetViewSet, "admin-budgets")
site.register("admin/models", admin_models.RegisteredModelViewSet, "admin-models")

site.register("v1/convert/file", docling.ConvertFileViewSet, "convert-file")
site.register("v1/convert/source", docling.ConvertSourceViewSet, "convert-source")
site.register("v1/status/poll", docling.PollViewSet, "conversion-poll")
site.register("v1/result", docling.ResultViewSet, "conversion-result")
site.register("health", docling.AliveViewSet, "alive")
site.register("ready", docling.ReadyViewSet, "ready")
site.register("version", docling.VersionsViewSet, "versions")

_OPEN: dict[str, Any] = {
    "permission_classes": [AllowAny],
    "authentication_classes": [],
    "http_method_names": ["get", "head"],  # DRF's answer to OPTIONS has no template to be rendered with
}
_schema = SpectacularJSONAPIView.as_view(**_OPEN)
_docs = SpectacularSwaggerView.as_view(url_name="openapi", title="API v2", **_OPEN)

_PAGE = r"^api/v2/tasks/(?P<task_id>[0-9a-fA-F-]{36})/pages/(?P<number>[0-9]{1,6})"

urlpatterns = [
    re_path(r"^api/v2/openapi\.json/?$", _schema, name="openapi"),
    re_path(r"^api/v2/docs/?$", _docs, name="docs"),
    re_path(_PAGE + r"\.png$", pages.PageViewSet.as_view({"get": "picture"}), name="task-page-picture"),
    re_path(_PAGE + r"\.json$", pages.PageViewSet.as_view({"get": "places"}), name="task-page-places"),
    re_path(r"^metrics/?$", metrics.scraped, name="metrics"),
    path("api/v2/", include(v2.urls)),
    *site.urls,
]
