"""All routes: the API before the admin site, so that `/admin/config` and `/admin/models` are the API's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("processing.api.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "processing.api.errors.bad_request"
handler403 = "processing.api.errors.permission_denied"
handler404 = "processing.api.errors.not_found"
handler500 = "processing.api.errors.server_error"
