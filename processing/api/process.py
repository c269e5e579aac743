"""`POST /api/v2/process`: a document and a prompt become a task."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import User
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelsregistry import registry
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.registry import Asker, ModelEntry
from processing.access import budgets, idempotency
from processing.access.budgets import Allowance
from processing.access.idempotency import Attempt
from processing.access.model_access import asker
from processing.access.models import ApiKey
from processing.api import events, repeats, status, waiting
from processing.api.authentication import caller
from processing.api.errors import ProblemSerializer
from processing.api.loader import Loader
from processing.api.process_fields import ProcessReplySerializer, ProcessSerializer
from processing.api.requests import form, request_id
from processing.api.upload import take_in
from processing.api.usage import account
from processing.documents import store
from processing.documents.models import StoredDocument
from processing.errors import InvalidInput, NotFound
from processing.pipeline import page_ranges, sight
from processing.pipeline.options import RequestOptions
from processing.queue import admission, retention
from processing.queue.submit import Place, place_of, submit
from processing.runtime.configuration import InForce, current
from processing.runtime.model_settings import effective
from processing.runtime.parameters import Parameters
from processing.tasks.lifecycle import Submission
from processing.tasks.models import Status, Task


class ProcessViewSet(Loader):
    """Submitting work; and, by PUT, what `Loader` does."""

    content_negotiation_class = events.AnyAccept

    @extend_schema(
        operation_id="process",
        summary="Submit a document and a prompt",
        parameters=[
            repeats.PARAMETER,
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description=f"`wait=N`: reply when the task has ended, or after N seconds, at most {waiting.LONGEST} "
                "(RFC 7240). `Preference-Applied` says what was granted; without it, there was no place to wait in.",
            ),
        ],
        request={"multipart/form-data": ProcessSerializer},
        responses={
            (200, "application/json"): ProcessReplySerializer,
            (200, events.MEDIA_TYPE): OpenApiResponse(OpenApiTypes.STR, description="With `stream=true`."),
            "4XX": ProblemSerializer,
            "5XX": ProblemSerializer,
        },
    )
    def create(self, request: Request) -> HttpResponseBase:
        """Store the document, write the task, reply at once. The answer is read at `/api/v2/status/{task_id}`.

        The same key sending the same content again within 30 seconds, as HTTP clients do by themselves, gets the same
        task (`deduplicated`), unless that has failed or was cancelled."""
        owner, name = caller(request), repeats.key_of(request)
        allowance = budgets.allowance(account(request))
        if not idempotency.is_known(owner.pk, name):  # Who only wants to hear the reply again takes no room.
            key = request.auth.pk if isinstance(request.auth, ApiKey) else None
            allowance.require_tokens()
            admission.require_room(admission.Caller(owner.pk, key), current().parameters)
        self.require_means(request)
        content = repeats.digest(request, self.digests)
        with idempotency.attempt(owner.pk, name, content) as attempt:
            if attempt.earlier is not None:
                task = attempt.earlier.task
                response = repeats.replayed(attempt.earlier, lambda: _reply_about(task), 200)
            else:
                task, reply = self._submit(request, allowance, attempt, None if name else content)
                response = repeats.kept(attempt, Response(reply))
        return response if task is None else _delivered(request, task, response)

    def _submit(
        self, request: Request, allowance: Allowance, attempt: Attempt, content: str | None
    ) -> tuple[Task, dict[str, Any]]:
        """The task, and the reply about it. `content` is the digest by which a repetition is known; None where a key
        does that."""
        allowance.require_tokens()
        in_force = current()
        key = request.auth.pk if isinstance(request.auth, ApiKey) else None
        fields = ProcessSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        asked = fields.validated_data
        model = chosen_model(asked, in_force, asker(caller(request).pk, key))
        allowance.require(model)
        options = options_in_force(asked, model, in_force.parameters)
        name = asked["file"].name if asked.get("file") is not None else ""
        sight.require_legible(name, model, options.vision_mode, in_force.parameters)
        if asked["stream"]:
            waiting.require_place(request)
        document = self._document(request, asked, in_force.parameters)
        try:
            require_pages(options, document)
        except InvalidInput:
            if document.is_new:
                retention.erase_if_idle(document.pk)
            raise
        task, place = submit(
            Submission(
                owner_id=caller(request).pk,
                api_key_id=key,
                document=document,
                prompt=asked["prompt"],
                model=model.id,
                options=options.kept(),
                configuration_revision=in_force.revision,
                request_id=request_id(request._request),
                webhook_url=asked.get("webhook_url", ""),
                document_password=asked.get("file_password", ""),
                fingerprint=repeats.fingerprint(request, content) if content and asked["dedupe"] else None,
            ),
            in_force.parameters,
            attempt.bind_task,
        )
        if task.is_repeat:
            return task, {**_reply_about(task), "message": repeats.TOLD, "deduplicated": True}
        ignored = [*(name for name in request.data if name not in fields.fields), *self.uploads.ignored]
        return task, _reply(task, place, options, ignored)

    def _document(self, request: Request, asked: dict[str, Any], parameters: Parameters) -> StoredDocument:
        owner = caller(request)
        if asked.get("file") is not None:
            return take_in(owner, asked["file"], parameters, asked.get("file_password"))
        return stored_document(owner, asked["file_id"])


def stored_document(owner: User, file_id: uuid.UUID) -> StoredDocument:
    """The owner's earlier upload. Raises `NotFound` (`file_not_found`, `document_gone`)."""
    document = StoredDocument.objects.filter(owner=owner, id=file_id).first()
    if document is None:
        raise NotFound("There is no such file.", "file_not_found")
    if not store.is_whole(document):
        raise NotFound("The content of this file is gone. Upload it again.", "document_gone")
    return document


def chosen_model(asked: dict[str, Any], in_force: InForce, whose: Asker) -> ModelEntry:
    """The model that was asked for by name, or else the default; never another one in its place."""
    parameters = in_force.parameters
    if asked.get("model"):
        model = registry.find(asked["model"], whose)
    else:
        model = registry.default_model(parameters.admin_model, chosen=in_force.was_set("admin_model"), asker=whose)
    if not model.available:
        raise ModelMisconfigured(f"The model {model.id} is not available. {model.reason}".strip(), "model_unavailable")
    if asked.get("vision_mode") == "force_vision" and not (model.vision and parameters.enable_vision):
        raise InvalidInput(f"The model {model.id} cannot see pictures.", "vision_unavailable")
    return model


def options_in_force(asked: dict[str, Any], model: ModelEntry, parameters: Parameters) -> RequestOptions:
    """The caller's word before the model's setting before the service's."""
    otherwise = effective(model, parameters)
    given = {name: asked[name] for name in RequestOptions.model_fields if asked.get(name) is not None}
    wanted_tokens = given.get("max_tokens", otherwise.max_tokens)
    return RequestOptions.model_validate(
        {
            "temperature": otherwise.temperature,
            "timeout": otherwise.timeout,
            **given,
            "max_tokens": min(wanted_tokens, model.max_output_tokens or wanted_tokens),
        }
    )


def require_pages(options: RequestOptions, document: StoredDocument) -> None:
    """That the document has one of the pages that are to be read, where it is known how many it has."""
    if options.pages is None or document.pages is None:
        return
    try:
        page_ranges.parse(options.pages, document.pages)
    except page_ranges.BadPages as error:
        raise InvalidInput(f"pages: {error}", "invalid_pages", errors={"pages": [str(error)]}) from error


def _delivered(request: Request, task: Task, response: Response) -> HttpResponseBase:
    """The reply as the caller wants it: as the beginning of a stream, after a wait, or at once."""
    if form(request).get("stream", "") in serializers.BooleanField.TRUE_VALUES:
        return events.opened(request, task, response.data)
    seconds = waiting.preferred(request)
    if seconds and waiting.take_place(request):
        return _after_wait(task, response, seconds)
    return response


def _after_wait(task: Task, response: Response, seconds: int) -> Response:
    """The reply, and with it how the task has ended, if it has in time."""
    response["Preference-Applied"] = f"wait={seconds}"
    ended = status.ended(task.seq) if status.WATCH.until_end(task.seq, seconds) else None
    if ended is not None:
        told = {"message": f"The task is {ended['status']}.", "estimated_time": None}
        response.data = {**response.data, **ended, **told}
    return response


def _reply(task: Task, place: Place, options: RequestOptions, ignored: list[str]) -> dict[str, Any]:
    starts_now = place.position is None
    return {
        "task_id": str(task.id),
        "status": "processing" if starts_now else "queued",
        "message": "Processing has begun." if starts_now else "The task is waiting for its turn.",
        "position": place.position,
        "estimated_time": place.estimated_time,
        "config_applied": {"model": task.model, **options.kept()},
        "created_at": task.created_at.timestamp(),
        "ignored_fields": ignored,
        "deduplicated": False,
    }


def _reply_about(task: Task | None) -> dict[str, Any]:
    """The reply, made anew from the task as it stands. Raises `NotFound` where it has been erased."""
    if task is None:
        raise NotFound("There is no such task.", "task_not_found")
    waits = task.status == Status.QUEUED
    place = place_of(task.seq, task.priority) if waits else Place(None, None)
    reply = _reply(task, place, RequestOptions.restored(task.options), [])
    return reply if waits else {**reply, "status": task.status, "message": f"The task is {task.status}."}
