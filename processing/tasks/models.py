"""The Task row: what was asked, where it stands, what came out. Its states change by `lifecycle` alone."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """`pending` is kept for clients that know it; a task here is `queued` from its first moment."""

    PENDING = "pending", _("pending")
    QUEUED = "queued", _("queued")
    PROCESSING = "processing", _("processing")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
RETRYABLE = (Status.FAILED, Status.CANCELLED)
ATTEMPTS = 3  # claims that a task is allowed


class Batch(models.Model):
    """Many tasks that came together. `total` counts its items, those that were refused at once among them.

    `refused` has an object for each of these: `line`, `file`, `error`, `error_type`, `error_code`. `completed_at` is
    written once, when the last item has ended (`tasks.batches`); one that is tried again afterwards does not change it.
    `is_untold` from then on until `delivery` has told of it, `webhook_url` among others.
    """

    seq = models.BigAutoField(primary_key=True)
    id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="batches")
    api_key = models.ForeignKey("processing.ApiKey", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    request_id = models.CharField(max_length=64, blank=True)
    fingerprint = models.UUIDField(null=True, blank=True, db_index=True)
    total = models.IntegerField()
    refused = models.JSONField(default=list, blank=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(db_default=Now())
    webhook_url = models.CharField(max_length=2000, blank=True, default="")
    is_untold = models.BooleanField(default=False, editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    is_repeat = False  # whether this very object was found in place of one that was to be written

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ("-seq",)
        indexes = [
            models.Index(fields=("owner", "-seq"), name="batch_of_owner"),
            models.Index(fields=("completed_at",), name="batch_ended"),
            models.Index(fields=("seq",), name="batch_untold", condition=Q(is_untold=True)),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Task(models.Model):
    """One document, one prompt, one answer.

    `seq` is the order of arrival; `id` is what clients know. `attempts` counts claims; `past_attempts` has a line for
    each that has ended (`tasks.attempts`). `lease_token` rises with every claim and cancel: a write that carries an
    older token changes nothing. Times are database time. `batch_line` is its place among the items of its batch, from
    1. `fingerprint` is what a submission has in common with its own repetition; empty where that is no matter.
    """

    seq = models.BigAutoField(primary_key=True)
    id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tasks")
    api_key = models.ForeignKey("processing.ApiKey", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    document = models.ForeignKey(
        "processing.StoredDocument", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks"
    )
    request_id = models.CharField(max_length=64, blank=True)
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks", db_index=False
    )
    batch_line = models.IntegerField(null=True, blank=True)
    fingerprint = models.UUIDField(null=True, blank=True)

    prompt = models.TextField()
    model = models.CharField(max_length=200, help_text=_("The model that was asked for."))
    webhook_url = models.CharField(max_length=2000, blank=True, default="", db_default="", editable=False)
    options = models.JSONField(default=dict, encoder=DjangoJSONEncoder, help_text=_("Processing options in force."))
    configuration_revision = models.BigIntegerField(default=0)

    # Encrypted, for as long as the task may still be worked on.
    document_secret = models.TextField(blank=True, default="", db_default="", editable=False)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    progress = models.FloatField(default=0.0)
    step = models.CharField(max_length=120, blank=True)
    priority = models.SmallIntegerField(default=0)

    attempts = models.SmallIntegerField(default=0)
    max_attempts = models.SmallIntegerField(default=ATTEMPTS)
    past_attempts = models.TextField(blank=True, default="", db_default="")
    lease_token = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    available_at = models.DateTimeField(db_default=Now())
    host = models.CharField(max_length=200, blank=True)
    worker_pid = models.IntegerField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    filename = models.CharField(max_length=255)
    file_size = models.BigIntegerField()
    file_type = models.CharField(max_length=127)
    pages = models.IntegerField(null=True, blank=True)

    result = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    model_used = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    error_type = models.CharField(max_length=32, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    input_tokens = models.IntegerField(null=True, blank=True)
    output_tokens = models.IntegerField(null=True, blank=True)
    cost = models.DecimalField(
        max_digits=16, decimal_places=8, null=True, blank=True, help_text=_("US dollars; empty: no price is known.")
    )
    cost_estimated = models.BooleanField(default=False, help_text=_("Whether the tokens were counted by ourselves."))
    cache = models.CharField(max_length=10, blank=True, help_text=_("Which cache the answer came from, if any."))
    task_peak_mb = models.FloatField(null=True, blank=True)

    is_repeat = False  # whether this very object was found in place of one that was to be written

    class Meta:
        verbose_name = _("task")
        ordering = ("-seq",)
        indexes = [
            models.Index(fields=("owner", "-seq"), name="task_of_owner"),
            models.Index(fields=("-priority", "seq"), name="task_waiting", condition=Q(status="queued")),
            models.Index(fields=("owner", "api_key"), name="task_waiting_of_key", condition=Q(status="queued")),
            models.Index(fields=("lease_expires_at",), name="task_running", condition=Q(status="processing")),
            models.Index(fields=("status", "-completed_at"), name="task_by_status"),
            models.Index(fields=("batch", "status"), name="task_of_batch", condition=Q(batch__isnull=False)),
            models.Index(fields=("fingerprint",), name="task_repeated", condition=Q(fingerprint__isnull=False)),
            # What the admin's list is filtered by, in its order: a page is a walk of its own length.
            models.Index(fields=("status", "-seq"), name="task_list_status"),
            models.Index(fields=("model", "-seq"), name="task_list_model"),
            models.Index(fields=("error_code", "-seq"), name="task_list_error"),
        ]
        permissions = [
            ("cancel_task", "Can cancel a task"),
            ("retry_task", "Can retry a task"),
            ("view_prompt", "Can see what a model was asked"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class TaskEnding(models.Model):
    """That a task has ended, written with its end and taken away by whoever has told of it (`tasks.endings`).

    `task` is its `seq`: no foreign key, so that no task is looked up or locked for the sake of this row.
    """

    task = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("end of a task")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.task} {self.status}"
