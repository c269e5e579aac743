"""What was computed once and may be used again: readings of documents and answers of models."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class CachedResult(models.Model):
    """A reading or an answer under the digest of all that it was made from, for one owner.

    `content` is zlib-compressed JSON, None while `computing_until` is ahead: then somebody is at it, with `token`, and
    others wait. `document_sha256` is whose erasure takes it along.
    """

    class Kind(models.TextChoices):
        READING = "reading", _("reading")
        ANSWER = "answer", _("answer")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    document_sha256 = models.CharField(max_length=64, db_index=True)
    content = models.BinaryField(null=True, blank=True)
    token = models.BigIntegerField(default=0)
    computing_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("stored result")
        constraints = [models.UniqueConstraint(fields=("owner", "kind", "digest"), name="cached_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"
