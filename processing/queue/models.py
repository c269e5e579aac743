"""A row per host that runs workers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
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


class Duty(models.Model):
    """Something that is to be done again and again by any one host: nobody takes it up before `due_at`.

    Whoever takes it puts `due_at` as far off as the work may last, and on finishing brings it near again.
    """

    name = models.CharField(primary_key=True, max_length=40)
    host = models.CharField(max_length=200, blank=True)
    pid = models.IntegerField(null=True, blank=True)
    due_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("duty")
        verbose_name_plural = _("duties")

    def __str__(self) -> str:
        return self.name
