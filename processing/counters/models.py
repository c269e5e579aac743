"""Totals, and what is still to be added to them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class CounterChange(models.Model):
    """What one transaction counted: JSON, a list of `[metric, part, labels, amount]`.

    A row for each transaction and none that two of them write, so that nobody waits for anybody who counts.
    """

    changes = models.TextField()

    class Meta:
        verbose_name = _("counted change")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class CounterTotal(models.Model):
    """The sum of the changes that have been added up (`ledger.fold`), by series; `labels` is a JSON list of values."""

    metric = models.CharField(max_length=60)
    part = models.CharField(max_length=8, blank=True)
    labels = models.TextField(default="[]")
    amount = models.BigIntegerField()

    class Meta:
        verbose_name = _("counter")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=("metric", "part", "labels"), name="counter_once_per_series")]

    def __str__(self) -> str:
        return f"{self.metric} {self.labels}"
