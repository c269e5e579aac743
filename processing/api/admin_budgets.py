"""`/admin/budgets`: the budgets of users and keys, set by administrators."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from processing.access import budget_changes, budgets
from processing.access.models import ApiKey, Budget
from processing.api.actors import actor
from processing.api.budget_fields import (
    BudgetChangeSerializer,
    BudgetListSerializer,
    BudgetSerializer,
    NewBudgetSerializer,
    described,
)
from processing.api.errors import ProblemSerializer
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import Administrator
from processing.errors import InvalidInput, NotFound

_PROBLEMS = {"4XX": ProblemSerializer}
_PAGE, _LARGEST_PAGE = 100, 500


class PageSerializer(serializers.Serializer[Any]):
    """Which part of the list."""

    user = serializers.CharField(required=False, max_length=150)
    key = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    after = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**62)
    page_size = serializers.IntegerField(required=False, default=_PAGE, min_value=1, max_value=_LARGEST_PAGE)


@extend_schema_view(
    list=extend_schema(
        operation_id="budgets",
        summary="List budgets and where they stand",
        tags=["administration"],
        parameters=[
            OpenApiParameter("user", str, description="Of this user, and of their keys."),
            OpenApiParameter("key", int, description="Of this API key."),
            OpenApiParameter("after", int, description="`next_after` of the page before."),
            OpenApiParameter("page_size", int, description=f"At most {_LARGEST_PAGE}.", default=_PAGE),
        ],
        responses={200: BudgetListSerializer, **_PROBLEMS},
    ),
    create=extend_schema(
        operation_id="create_budget",
        summary="Set a budget for a user or an API key",
        description="One for each period. It holds for tasks that ask a model from now on, and counts what was used "
        "before in the same period.",
        tags=["administration"],
        request=NewBudgetSerializer,
        responses={201: BudgetSerializer, **_PROBLEMS},
    ),
    retrieve=extend_schema(
        operation_id="budget",
        summary="Read a budget",
        tags=["administration"],
        responses={200: BudgetSerializer, **_PROBLEMS},
    ),
    partial_update=extend_schema(
        operation_id="change_budget",
        summary="Change a budget",
        description="What is left out stays as it is; null takes a bound away.",
        tags=["administration"],
        request=BudgetChangeSerializer,
        responses={200: BudgetSerializer, **_PROBLEMS},
    ),
    destroy=extend_schema(
        operation_id="delete_budget",
        summary="Delete a budget",
        tags=["administration"],
        responses={204: None, **_PROBLEMS},
    ),
)
class BudgetViewSet(ViewSet):
    """Budgets, by their ids."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {
        "GET": "processing.view_budget",
        "POST": "processing.add_budget",
        "PATCH": "processing.change_budget",
        "DELETE": "processing.delete_budget",
    }
    lookup_url_kwarg = "budget_id"
    lookup_value_regex = "[0-9]{1,18}"

    def list(self, request: Request) -> Response:
        asked = PageSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found = _budgets().filter(pk__gt=wanted["after"]).order_by("pk")
        if "user" in wanted:
            name = wanted["user"]
            found = found.filter(user__username=name) | found.filter(api_key__user__username=name)
        if "key" in wanted:
            found = found.filter(api_key_id=wanted["key"])
        rows = list(budgets.with_standing(found)[: wanted["page_size"] + 1])
        page, more = rows[: wanted["page_size"]], len(rows) > wanted["page_size"]
        shown = [described(budgets.standing(row)) for row in page]
        return Response({"budgets": shown, "next_after": page[-1].pk if more else None})

    def create(self, request: Request) -> Response:
        body = NewBudgetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        budget = Budget(user=_user(given.pop("user", None)), api_key=_key(given.pop("key", None)), **given)
        try:
            budget_changes.create(actor(request), budget)
        except ValidationError as error:
            raise _invalid(error) from None
        return Response(_described(budget.pk), status=201)

    def retrieve(self, _request: Request, budget_id: str) -> Response:
        return Response(_described(int(budget_id)))

    def partial_update(self, request: Request, budget_id: str) -> Response:
        body = BudgetChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        budget = _one(int(budget_id))
        for name, value in body.validated_data.items():
            setattr(budget, name, value)
        try:
            budget_changes.change(actor(request), budget)
        except ValidationError as error:
            raise _invalid(error) from None
        return Response(_described(budget.pk))

    def destroy(self, request: Request, budget_id: str) -> Response:
        budget_changes.delete(actor(request), _one(int(budget_id)))
        return Response(status=204)


def _budgets() -> QuerySet[Budget]:
    return Budget.objects.select_related("user", "api_key__user")


def _one(budget_id: int) -> Budget:
    budget = _budgets().filter(pk=budget_id).first()
    if budget is None:
        raise _not_found()
    return budget


def _described(budget_id: int) -> dict[str, Any]:
    row = budgets.with_standing(_budgets().filter(pk=budget_id)).first()
    if row is None:
        raise _not_found()
    return described(budgets.standing(row))


def _user(name: str | None) -> User | None:
    user = User.objects.filter(username=name).first() if name is not None else None
    if name is not None and user is None:
        raise InvalidInput("There is no such user.", "unknown_user", errors={"user": ["There is no such user."]})
    return user


def _key(key_id: int | None) -> ApiKey | None:
    key = ApiKey.objects.filter(pk=key_id).first() if key_id is not None else None
    if key_id is not None and key is None:
        raise InvalidInput("There is no such API key.", "unknown_key", errors={"key": ["There is no such API key."]})
    return key


def _not_found() -> NotFound:
    return NotFound("There is no such budget.", "budget_not_found")


def _invalid(error: ValidationError) -> InvalidInput:
    """What the model says of a budget that it does not take; the code is that of its first complaint."""
    first = next(iter(error.error_dict.values()))[0]
    code = "budget_exists" if first.code in ("unique", "unique_together") else first.code or "invalid"
    sentences = {name.replace("__all__", "budget"): list(texts) for name, texts in error.message_dict.items()}
    return InvalidInput(next(iter(sentences.values()))[0], code, errors=sentences)
