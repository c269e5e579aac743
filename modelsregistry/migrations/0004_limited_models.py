"""Models that are limited to some users stay so when these are deleted."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


def limit_where_somebody_is_named(apps: Any, _schema_editor: Any) -> None:
    registered = apps.get_model("modelsregistry", "RegisteredModel").objects
    named = registered.filter(Q(allowed_users__isnull=False) | Q(allowed_groups__isnull=False)).values("pk")
    registered.filter(pk__in=named).update(is_limited=True)


class Migration(migrations.Migration):
    dependencies = [
        ("modelsregistry", "0003_provider_slots"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="registeredmodel",
            name="is_limited",
            field=models.BooleanField(
                default=False,
                help_text=(
                    "Only the users and groups named here may use it, and nobody where none is left. Naming one sets "
                    "it; take it away to let everybody in."
                ),
                verbose_name="limited",
            ),
        ),
        migrations.AlterField(
            model_name="registeredmodel",
            name="allowed_users",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who may use it, beside the groups.",
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(limit_where_somebody_is_named, migrations.RunPython.noop),
    ]
