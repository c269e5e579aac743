"""Takes the queue library's own pages away: its rows are not where the work is told, and editing them helps nobody.

It must be an app that Django loads before this one, so that its pages are there to be taken.
"""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin

for model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
