"""`/admin/config` and `/api/v1/configs`: the whole configuration, its history and its way back, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from processing.api.config_fields import (
    CHANGE_PROBLEMS,
    IF_MATCH,
    ChangeSerializer,
    ConfigurationSerializer,
    ExportSerializer,
    ImportedSerializer,
    RestoreSerializer,
    RevisionSerializer,
    WholeRevisionSerializer,
    change_of,
    headers,
    invalid,
    reason_of,
    shown_differences,
    shown_revision,
    terms,
)
from processing.api.errors import ProblemSerializer
from processing.api.parsers import BoundedJSONParser
from processing.api.permissions import Administrator
from processing.operations import configuration
from processing.runtime import revisions
from processing.runtime.configuration import not_understood
from processing.runtime.models import ConfigurationRevision

_TAGS = ["administration"]
_REASON = OpenApiParameter("reason", str, description="Why, for the history.")
_DRY_RUN = OpenApiParameter("dry_run", bool, description="Say what would change, and change nothing.")
_MAY_VIEW, _MAY_CHANGE = "processing.view_configurationrevision", "processing.add_configurationrevision"


class ConfigurationViewSet(ViewSet):
    """The configuration, shown and changed."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {"GET": _MAY_VIEW, "POST": _MAY_CHANGE}

    @extend_schema(
        operation_id="configuration",
        summary="The configuration in force",
        tags=_TAGS,
        responses={200: ConfigurationSerializer, "4XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        return _whole()

    @extend_schema(
        operation_id="change_configuration",
        summary="Change some settings, all of them or none",
        description="The change holds in every process within 2 seconds. `null` resets a setting to its default. A "
        "setting may stand beside `api_v2` as well as within it.",
        tags=_TAGS,
        parameters=[IF_MATCH],
        request=ChangeSerializer,
        responses={200: ConfigurationSerializer, **CHANGE_PROBLEMS},
    )
    def create(self, request: Request) -> Response:
        partial, reason = change_of(request.data)
        configuration.change(partial, terms(request, reason))
        return _whole()

    @extend_schema(
        operation_id="export_configuration",
        summary="What administrators set, to be kept or moved",
        description="Without secrets, and without what is a default or came from the environment.",
        tags=_TAGS,
        responses={200: ExportSerializer, "4XX": ProblemSerializer},
    )
    @action(detail=False, url_path="export")
    def export(self, _request: Request) -> Response:
        exported = configuration.export()
        name = f"api-v2-configuration-{exported['revision']}.json"
        attached = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(exported, headers={**headers(exported["revision"]), **attached})

    @extend_schema(
        operation_id="import_configuration",
        summary="Take in an exported configuration, all of it or nothing",
        description="Afterwards exactly what it holds is stored; every other setting is back at its default. A copy of "
        "`/api/v1/configs` serves as well: of it, what had been set is taken.",
        tags=_TAGS,
        parameters=[IF_MATCH, _DRY_RUN, _REASON],
        request=ExportSerializer,
        responses={200: ImportedSerializer, **CHANGE_PROBLEMS},
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import")
    def take_in(self, request: Request) -> Response:
        dry_run = _flag(request, "dry_run")
        wanted = terms(request, request.query_params.get("reason", ""))
        changes = configuration.what_taking_in_changes(request.data, wanted.expected)
        if not dry_run:
            changes = configuration.take_in(request.data, wanted).differences
        whole = configuration.document()
        body = {**whole, "dry_run": dry_run, "changes": shown_differences(changes)}
        return Response(body, headers=headers(whole["revision"]))


class NewestRevisionFirst(CursorPagination):
    """`next` and `previous` are links, null at the ends."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500


class RevisionViewSet(GenericViewSet[ConfigurationRevision]):
    """The history of the configuration."""

    parser_classes = [BoundedJSONParser]
    permission_classes = [Administrator]
    permission_required = {"GET": _MAY_VIEW, "POST": _MAY_CHANGE}
    pagination_class = NewestRevisionFirst
    serializer_class = RevisionSerializer
    lookup_url_kwarg = "revision"
    lookup_value_regex = "[0-9]{1,18}"
    queryset = ConfigurationRevision.objects.none()

    def get_queryset(self) -> QuerySet[ConfigurationRevision]:
        """Each with what it needs to say what it changed."""
        return revisions.history()

    @extend_schema(
        operation_id="configuration_revisions",
        summary="Who changed what, when and why, newest first",
        tags=_TAGS,
        responses={200: RevisionSerializer(many=True), "4XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([shown_revision(row, revisions.what_changed(row)) for row in page])

    @extend_schema(
        operation_id="configuration_revision",
        summary="One change of the configuration",
        tags=_TAGS,
        responses={200: WholeRevisionSerializer, "4XX": ProblemSerializer},
    )
    def retrieve(self, _request: Request, revision: str) -> Response:
        row = revisions.find(int(revision))
        whole = {"api_v2": row.overrides, "not_understood": not_understood(row.overrides)}
        return Response({**shown_revision(row, revisions.what_changed(row)), **whole})

    @extend_schema(
        operation_id="restore_configuration",
        summary="Go back to what a revision had stored",
        description="That makes a new revision: nothing of the history is lost.",
        tags=_TAGS,
        parameters=[IF_MATCH],
        request=RestoreSerializer,
        responses={200: ConfigurationSerializer, **CHANGE_PROBLEMS},
    )
    @action(detail=True, methods=["post"], url_path="restore")
    def restore(self, request: Request, revision: str) -> Response:
        reason, skip_invalid = _how_to_restore(request.data)
        configuration.restore(int(revision), terms(request, reason), skip_invalid=skip_invalid)
        return _whole()


class ConfigsViewSet(ViewSet):
    """The configuration as one JSON document, to be kept with a backup."""

    permission_classes = [Administrator]
    permission_required = {"GET": _MAY_VIEW}

    @extend_schema(
        operation_id="configs",
        summary="The whole configuration, without secrets",
        tags=_TAGS,
        responses={200: ConfigurationSerializer, "4XX": ProblemSerializer},
    )
    def list(self, _request: Request) -> Response:
        return _whole()


def _whole() -> Response:
    whole = configuration.document()
    return Response(whole, headers=headers(whole["revision"]))


def _flag(request: Request, name: str) -> bool:
    said = request.query_params.get(name, "false").lower()
    if said not in ("true", "false", "1", "0"):
        raise invalid({name: ["This must be true or false."]})
    return said in ("true", "1")


def _how_to_restore(body: Any) -> tuple[str, bool]:
    """The reason, and whether to skip what is not understood; an empty body says neither. Raises `InvalidInput`."""
    body = body or {}
    if not isinstance(body, Mapping):
        raise invalid({"body": ["This must be an object."]})
    unknown = {str(name): ["There is no such field."] for name in body if name not in ("reason", "skip_invalid")}
    if unknown:
        raise invalid(unknown)
    skip_invalid = body.get("skip_invalid", False)
    if not isinstance(skip_invalid, bool):
        raise invalid({"skip_invalid": ["This must be true or false."]})
    return reason_of(body), skip_invalid
