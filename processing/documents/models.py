"""A stored document: one owner's bytes under one name."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class StoredDocument(models.Model):
    """A file that was uploaded, alone or with a prompt.

    The bytes lie once per owner in the storage, under `path`, named by their SHA-256; rows with other file names may
    share them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="documents")
    filename = models.CharField(max_length=255)
    format = models.CharField(max_length=16)
    media_type = models.CharField(max_length=127)
    size = models.BigIntegerField(help_text=_("Bytes."))
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200)
    pages = models.IntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    is_new = False  # whether this very object was made by storing the file

    class Meta:
        verbose_name = _("document")
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(fields=("owner", "sha256", "filename"), name="document_once_per_owner_and_name"),
        ]
        indexes = [
            models.Index(fields=("path",), name="document_path"),
            models.Index(fields=("-created_at", "-id"), name="document_newest"),
        ]
        permissions = [("download_storeddocument", "Can download a document")]

    def __str__(self) -> str:
        return self.filename
