"""A row per host that runs workers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerHost(models.Model):
    """What one cluster last said of itself; a row whose `heartbeat_at` is old is a cluster that is gone."""

    host = models.CharField(primary_key=True, max_length=200)
    pid = models.IntegerField()
    workers = models.IntegerField()
    max_concurrent = models.IntegerField()
    memory_used_percent = models.FloatField(default=0.0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()

    class Meta:
        verbose_name = _("worker host")
        ordering = ("host",)

    def __str__(self) -> str:
        return self.host
