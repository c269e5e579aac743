"""Which of a provider's models can be had, as far as the service can tell: what `available` and `reason` say.

An administrator's own switch is `enabled`, and is not touched here.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models.functions import Now

from modelsregistry.models import Provider, RegisteredModel
from modelsregistry.vendors import is_among, lists_all, vendor_of

NOT_LISTED = "Its provider does not list it."
UNREACHABLE = "Its provider does not answer."
CREDENTIAL_REFUSED = "Its provider does not accept our credential."
_OURS = (NOT_LISTED, UNREACHABLE, CREDENTIAL_REFUSED)


def note_listed(provider: Provider, listed: frozenset[str], variables: Mapping[str, str]) -> None:
    """The provider answered with this list of upstream ids. What it lacks is not to be had, except what the environment
    vouches for and, where servers serve more than they list, what an administrator does.

    Where the environment names the provider's models itself, that holds in the list's place for those that came from
    the environment.
    """
    by_hand, admin_model = _named(provider, variables), variables.get("API_V2_ADMIN_MODEL", "")
    complete = lists_all(provider.kind, provider.base_url)
    for model in provider.models.all():
        is_listed, vouched_for = is_among(model.upstream_id, listed), model.public_id == admin_model
        if not model.from_environment:
            there = is_listed or not complete
        elif by_hand:
            there = model.public_id in by_hand or vouched_for
        else:  # An administrator may have given it another upstream id.
            there = is_listed or (not complete and (vouched_for or is_among(model.public_id, listed)))
        _set(model, "" if there else NOT_LISTED, listed=is_listed)


def note_answering(provider: Provider) -> None:
    """The provider can be reached, and tells nothing of its models."""
    for model in provider.models.filter(available=False, reason__in=(UNREACHABLE, CREDENTIAL_REFUSED)):
        _set(model, "", listed=False)


def note_failing(provider: Provider, reason: str) -> None:
    """None of the provider's models can be had, for one of the reasons above."""
    for model in provider.models.filter(available=True):
        _set(model, reason, listed=False)


def _named(provider: Provider, variables: Mapping[str, str]) -> frozenset[str]:
    vendor = vendor_of(provider.kind)
    if vendor is None or not provider.from_environment:
        return frozenset()
    return frozenset(seed.public_id for seed in vendor.named(variables))


def _set(model: RegisteredModel, reason: str, *, listed: bool) -> None:
    """Write what changed. A reason that somebody else gave stays until the provider lists the model."""
    if not model.available and model.reason not in _OURS and not listed:
        return
    if (model.available, model.reason) != (not reason, reason):
        row = RegisteredModel.objects.filter(pk=model.pk)
        row.update(available=not reason, reason=reason, updated_at=Now())
