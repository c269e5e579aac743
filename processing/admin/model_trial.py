"""What the admin's "test" of a model says, and how its provider is."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from modelsregistry.models import Provider, RegisteredModel
from processing.admin import rendering
from processing.operations.model_trial import try_out

AT_ONCE = 5
_SHOWN = 300


def tell(request: HttpRequest, model: RegisteredModel) -> None:
    """Try the model out, and say on the next page how it went."""
    trial = try_out(model)
    took = _("%(seconds).1f s") % {"seconds": trial.seconds}
    if trial.error:
        messages.error(request, f"{model.public_id}: {trial.error} ({took})")
        return
    tokens = _("%(read)d tokens in, %(written)d out") % {"read": trial.input_tokens, "written": trial.output_tokens}
    told = [took, tokens + (" " + _("(estimated)") if trial.estimated else "")]
    told.append(_("cost not known") if trial.cost is None else f"{trial.cost:f} USD")
    messages.success(request, f"{model.public_id}: “{rendering.visible(trial.answer[:_SHOWN])}” ({', '.join(told)})")


def health(provider: Provider) -> SafeString:
    """The circuit breaker's state as a badge, and the last failure where there is one."""
    if provider.open_until is not None and provider.open_until > timezone.now():
        shown = rendering.badge(_("left alone"), "danger")
    elif provider.consecutive_failures:
        shown = rendering.badge(_("%d failures in a row") % provider.consecutive_failures, "warning")
    elif provider.probed_at is None:
        return rendering.badge(_("not looked at yet"))
    else:
        return rendering.badge(_("answers"), "success")
    return SafeString(shown + " " + rendering.line(provider.last_failure, length=120))
