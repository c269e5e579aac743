"""Who has signed in through the API, who failed to sign in, and the way back in for whoever is locked out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from processing.access import audit, lockout, sign_ins
from processing.access.audit import Target
from processing.access.models import SignIn
from processing.admin import rendering
from processing.admin.actors import actor
from processing.admin.base import LongList, ReadOnlyPage

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
else:
    from unfold.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """Tells whoever is locked out that they are; their password was not looked at."""

    def get_invalid_login_error(self) -> ValidationError:
        """The sentence above the form."""
        if not getattr(self.request, "axes_locked_out", False):
            return super().get_invalid_login_error()
        name = lockout.lock_name(self.request, self.cleaned_data)
        left = lockout.seconds_left(name, self.request.axes_ip_address or "")  # type: ignore[union-attr]
        return ValidationError(lockout.told(left), code="locked_out")


admin.site.login_form = LoginForm


@admin.register(SignIn)
class SignInPage(LongList, ReadOnlyPage):
    """The tokens that were given out; browsers' sessions are not among them."""

    list_display = ("who", "address", "created_at", "expires_at", "state")
    list_select_related = ("user",)
    search_fields = ("user__username", "address")
    search_help_text = __("User or address")
    fields = ("who", "address", "created_at", "expires_at", "ended_at", "state")
    actions = ("end",)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processing.change_signin")

    @admin.action(description=__("End the selected sign-ins"), permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> None:
        """From the next request on, their tokens open nothing."""
        ended = 0
        for sign_in in queryset.select_related("user"):
            if sign_ins.end(sign_in.pk):
                ended += 1
                audit.record(actor(request), "signed_out", Target("user", str(sign_in.user_id), str(sign_in.user)))
        messages.success(request, ngettext("%d sign-in was ended.", "%d sign-ins were ended.", ended) % ended)

    @admin.display(description=__("user"))
    def who(self, sign_in: SignIn) -> SafeString:
        return rendering.line(str(sign_in.user))

    @admin.display(description=__("state"))
    def state(self, sign_in: SignIn) -> SafeString:
        if sign_in.ended_at is not None:
            return rendering.badge(_("ended"))
        if sign_in.expires_at <= timezone.now():
            return rendering.badge(_("expired"))
        if not sign_in.user.is_active:
            return rendering.badge(_("user deactivated"), "warning")
        if sign_in.user.get_session_auth_hash() != sign_in.seal:
            return rendering.badge(_("password changed"))
        return rendering.badge(_("active"), "success")


@admin.register(AccessAttempt)
class FailurePage(LongList, ReadOnlyPage):
    """django-axes' count of failures, of which nothing is edited; what a form held is not shown."""

    list_display = ("name", "ip_address", "failures_since_start", "attempt_time", "state")
    search_fields = ("username", "ip_address")
    search_help_text = __("Name or address")
    ordering = ("-id",)
    fields = ("name", "ip_address", "client", "path_info", "failures_since_start", "attempt_time", "state")
    actions = ("reset",)

    def has_reset_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(
        description=__("Forget the failures of the selected names, which unlocks them"), permissions=["reset"]
    )
    def reset(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """All that failed for the same name from the same address, whichever program it used."""
        reset = 0
        for name, address in set(queryset.order_by().values_list("username", "ip_address")):
            AccessAttempt.objects.filter(username=name, ip_address=address).delete()
            audit.record(actor(request), "unlocked", Target("user", "", name or ""), {"address": address})
            reset += 1
        messages.success(request, ngettext("%d name was reset.", "%d names were reset.", reset) % reset)

    @admin.display(description=__("name, as it was typed"))
    def name(self, attempt: AccessAttempt) -> SafeString:
        return rendering.line(attempt.username or "")

    @admin.display(description=__("program"))
    def client(self, attempt: AccessAttempt) -> SafeString:
        return rendering.line(attempt.user_agent, length=200)

    @admin.display(description=__("state"))
    def state(self, attempt: AccessAttempt) -> SafeString:
        until: timedelta = attempt.attempt_time + settings.AXES_COOLOFF_TIME - timezone.now()
        if until <= timedelta(0):
            return rendering.badge(_("over"))
        if attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT:
            return rendering.badge(_("locked out for %s") % rendering.duration(until), "danger")
        return rendering.badge(_("counted"), "warning")
