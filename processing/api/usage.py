"""`GET /api/v2/usage`: what the caller has used, and what is left of their budgets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.access import budgets, usage
from processing.access.models import ApiKey
from processing.access.usage import Account
from processing.api.authentication import caller
from processing.api.budget_fields import UsageSerializer, day_of_use, own
from processing.api.errors import ProblemSerializer

_DAYS, _MOST_DAYS = 7, 92


class DaysSerializer(serializers.Serializer[Any]):
    """How far back to look."""

    days = serializers.IntegerField(required=False, default=_DAYS, min_value=1, max_value=_MOST_DAYS)


def account(request: Request) -> Account:
    """Who pays for what this request asks for."""
    return Account(caller(request).pk, request.auth.pk if isinstance(request.auth, ApiKey) else None)


class UsageViewSet(ViewSet):
    """The caller's own use, by whatever key, and the budgets that they spend from with this one."""

    @extend_schema(
        operation_id="usage",
        summary="Read what was used and what is left of the budgets",
        parameters=[
            OpenApiParameter(
                "days", int, description=f"Days to show, today included: 1 to {_MOST_DAYS}.", default=_DAYS
            )
        ],
        responses={200: UsageSerializer, "4XX": ProblemSerializer},
    )
    def list(self, request: Request) -> Response:
        """Budgets as they stand now, and use by day and model, the latest first."""
        asked = DaysSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        payer = account(request)
        since = usage.today() - timedelta(days=asked.validated_data["days"] - 1)
        return Response(
            {
                "budgets": [own(each) for each in budgets.standings(payer)],
                "days": [day_of_use(row) for row in usage.by_day(payer.owner_id, since)],
                "since": since.isoformat(),
            }
        )
