"""The models that this service offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from modelsregistry import prices
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.models import Provider, RegisteredModel

BUILT_IN = "local"
LOCAL_LLM = "local-llm"
_NAMED_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as it is offered: `id` is what clients call it, `provider` the provider's name, `context_length`,
    `max_output_tokens` and `max_tokens` are in tokens, `timeout` is in seconds. `temperature`, `max_tokens` and
    `timeout` are the model's own settings, None without. `reads_any_length` is true of a model that no document is too
    long for. `reason` says why it is not `available`. `has_prices`: what an answer costs can be told; `is_free`:
    nothing."""

    id: str
    name: str
    provider: str
    provider_kind: str
    description: str
    vision: bool
    native_pdf: bool
    context_length: int | None
    max_output_tokens: int | None
    temperature: float | None
    max_tokens: int | None
    timeout: float | None
    available: bool
    reason: str
    reads_any_length: bool = False
    has_prices: bool = False
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a model: a user, and the public ids that their key is limited to; without any, it is not."""

    user_id: int
    key_models: frozenset[str] = frozenset()


ANYBODY = Asker(0)  # whose primary key no user has


def catalogue(asker: Asker | None = None) -> tuple[ModelEntry, ...]:
    """The enabled models of the enabled providers, the oldest provider's first. One query.

    With an asker, those that they may use; without, all of them.
    """
    return tuple(_entry(model) for model in _offered(asker))


def find(model_id: str, asker: Asker | None = None) -> ModelEntry:
    """The model that clients call so, available or not.

    Raises `ModelMisconfigured`, which says what there is; a model that the asker may not use is as good as none.
    """
    return _entry(offered(model_id, asker))


def offered(model_id: str, asker: Asker | None = None) -> RegisteredModel:
    """The row of an enabled model, with its enabled provider. Raises as `find` does."""
    try:
        return _offered(asker).get(public_id=model_id)
    except RegisteredModel.DoesNotExist:
        names = tuple(_offered(asker).values_list("public_id", flat=True))
        raise ModelMisconfigured(f"There is no model {_quoted(model_id)}. {_choices(names)}", "unknown_model") from None


def may_use(model_id: str, asker: Asker) -> bool:
    """Whether there is such a model for them."""
    return _offered(asker).filter(public_id=model_id).exists()


def default_model(wanted: str, *, chosen: bool, asker: Asker | None = None) -> ModelEntry:
    """The model for a request that names none.

    `wanted` is the parameter `admin_model`; `chosen` says whether an operator set it. Where nobody did, and no provider
    beyond this host's own is configured, the built-in model answers. A model that was chosen is never swapped for
    another: raises `ModelMisconfigured` when it cannot serve, or not this asker.
    """
    entries = {entry.id: entry for entry in catalogue(asker)}
    found = entries.get(wanted if chosen or _providers_configured() else BUILT_IN)
    if found is None or not found.available:
        raise ModelMisconfigured(
            f"The default model {_quoted(wanted)} cannot serve. Name one in the field model, or have an administrator "
            f"change admin_model (environment: API_V2_ADMIN_MODEL). {_choices(tuple(entries))}",
            "default_model_unavailable",
        )
    return found


def configure(model_id: str, settings: Mapping[str, float | None]) -> int | None:
    """Set a model's own `temperature`, `max_tokens` and `timeout`, those that are given; None takes one away. Returns
    the primary key of the row where that changed it.

    An id that is not registered is left alone: its settings wait for it in the configuration.
    """
    unknown = sorted(set(settings) - {"temperature", "max_tokens", "timeout"})
    if unknown:
        raise ValueError(f"no settings of a model: {', '.join(unknown)}")
    differing = RegisteredModel.objects.filter(public_id=model_id).exclude(**settings)
    row = differing.values_list("pk", flat=True).first() if settings else None
    if row is not None:
        RegisteredModel.objects.filter(pk=row).update(**settings, updated_at=Now())
    return row


def _offered(asker: Asker | None = None) -> QuerySet[RegisteredModel]:
    offered_to_all = RegisteredModel.objects.filter(enabled=True, provider__enabled=True).select_related("provider")
    if asker is None:
        return offered_to_all
    found = offered_to_all.filter(Q(is_limited=False) | _names(asker.user_id))
    return found.filter(public_id__in=asker.key_models) if asker.key_models else found


def _names(user_id: int) -> Q:
    """The user, or a group of theirs. Nobody is exempt, superusers neither: they may put themselves on the list."""
    users, groups = RegisteredModel.allowed_users.through, RegisteredModel.allowed_groups.through
    return Q(Exists(users.objects.filter(registeredmodel=OuterRef("pk"), user_id=user_id))) | Q(
        Exists(groups.objects.filter(registeredmodel=OuterRef("pk"), group__user=user_id))
    )


def _providers_configured() -> bool:
    """Whether anything beyond this host's own models is there to be asked."""
    return Provider.objects.filter(enabled=True).exclude(models__public_id__in=(BUILT_IN, LOCAL_LLM)).exists()


def _choices(names: tuple[str, ...]) -> str:
    if not names:
        return "No model is configured."
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return f"There are: {shown}." if len(names) <= _NAMED_AT_MOST else f"There are {len(names)}, among them: {shown}."


def _quoted(model_id: str) -> str:
    return f"“{model_id[:100]}”"


def _entry(model: RegisteredModel) -> ModelEntry:
    return ModelEntry(
        id=model.public_id,
        name=model.name,
        provider=model.provider.name,
        provider_kind=model.provider.kind,
        description=model.description,
        vision=model.vision,
        native_pdf=model.native_pdf,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        temperature=model.temperature,
        max_tokens=model.max_tokens,
        timeout=model.answer_timeout,
        available=model.available,
        reason=model.reason,
        reads_any_length=model.provider.reads_any_length,
        has_prices=prices.are_known(model),
        is_free=prices.is_free(model),
    )
