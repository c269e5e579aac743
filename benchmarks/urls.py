"""The service's routes, and the plain viewset at `/plain/{id}`."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from apiv2project.urls import handler400, handler403, handler404, handler500
from benchmarks.plain import PlainTaskViewSet

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

_plain = SimpleRouter(trailing_slash=False)
_plain.register("plain", PlainTaskViewSet, "plain")

urlpatterns = [path("", include(_plain.urls)), path("", include("apiv2project.urls"))]
