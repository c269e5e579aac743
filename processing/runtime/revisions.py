"""The history of the configuration: who changed what, from what to what, when and why."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from processing.errors import NotFound
from processing.runtime.models import ConfigurationRevision
from processing.runtime.overrides import Difference, differences


def history() -> QuerySet[ConfigurationRevision]:
    """The revisions, the newest first, each with its author and the settings of the one before it (`before`)."""
    earlier = ConfigurationRevision.objects.filter(pk__lt=OuterRef("pk")).order_by("-pk")
    return ConfigurationRevision.objects.select_related("author").annotate(
        before=Subquery(earlier.values("overrides")[:1])
    )


def find(number: int) -> ConfigurationRevision:
    """One revision. Raises `NotFound` (`revision_not_found`)."""
    row = history().filter(pk=number).first()
    if row is None:
        raise NotFound("There is no such revision.", "revision_not_found")
    return row


def what_changed(revision: ConfigurationRevision) -> tuple[Difference, ...]:
    """What a revision of `history()` made different from the one before it."""
    return differences(getattr(revision, "before", None) or {}, revision.overrides)
