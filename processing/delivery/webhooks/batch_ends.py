"""Telling that a batch has ended: `batch.completed`, once, to its own URL and to the endpoints that want to know."""

from __future__ import annotations

from django.db import transaction

from processing.delivery import batches
from processing.delivery.webhooks import messages
from processing.delivery.webhooks.messages import BATCH_COMPLETED, Event
from processing.tasks.models import Batch

_AT_ONCE = 20  # in one transaction


def announce() -> int:
    """Take up the ends of batches that nobody has told of. Returns how many, at most twenty; what another deliverer has
    in hand is left to it."""
    untold = Batch.objects.filter(is_untold=True)
    if not untold.exists():
        return 0
    with transaction.atomic():
        found = list(untold.select_for_update(skip_locked=True).order_by("seq")[:_AT_ONCE])
        for standing in batches.standings(found):
            messages.announce(_event(standing))
        return Batch.objects.filter(seq__in=[batch.seq for batch in found]).update(is_untold=False)


def _event(standing: batches.Standing) -> Event:
    batch = standing.batch
    ended_at = batch.completed_at or batch.created_at
    return Event(
        type=BATCH_COMPLETED,
        at=ended_at,
        owner_id=batch.owner_id,
        api_key_id=batch.api_key_id,
        data={
            "batch_id": str(batch.id),
            "status": standing.status,
            "status_path": f"/api/v2/batches/{batch.id}",
            "results_path": f"/api/v2/batches/{batch.id}/results",
            "total": batch.total,
            "counts": standing.counts,
            "input_tokens": standing.input_tokens,
            "output_tokens": standing.output_tokens,
            "cost": None if standing.cost is None else float(standing.cost),
            "created_at": batch.created_at.timestamp(),
            "completed_at": ended_at.timestamp(),
        },
        url=batch.webhook_url,
        subject=batch.id,
    )
