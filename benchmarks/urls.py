"""The service's routes, the plain viewset at `/plain/{id}`, and status reads without limits at `/unlimited/{id}`."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from apiv2project.urls import handler400, handler403, handler404, handler500
from benchmarks.plain import PlainTaskViewSet, UnlimitedStatusViewSet

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

_plain = SimpleRouter(trailing_slash=False)
_plain.register("plain", PlainTaskViewSet, "plain")
_plain.register("unlimited", UnlimitedStatusViewSet, "unlimited")

urlpatterns = [path("", include(_plain.urls)), path("", include("apiv2project.urls"))]
