"""All routes: the API before the admin site, so that `/admin/config` and `/admin/models` are the API's."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("processing.api.urls")),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", RedirectView.as_view(pattern_name="docs")),
]

handler400 = "processing.api.errors.bad_request"
handler403 = "processing.api.errors.permission_denied"
handler404 = "processing.api.errors.not_found"
handler500 = "processing.api.errors.server_error"
