"""Users and groups; rights are handed out by superusers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from processing.access import audit
from processing.access.audit import Target
from processing.admin.actors import actor
from processing.admin.audited import Audited

if TYPE_CHECKING:
    UserBase = UserAdmin[User]
    GroupBase = GroupAdmin
else:

    class UserBase(UserAdmin, Audited):
        """Django's page with django-unfold's look."""

    class GroupBase(GroupAdmin, Audited):
        """Django's page with django-unfold's look."""


RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserPage(UserBase):
    """Whoever may change users could otherwise raise himself, or take over an account by setting its password."""

    audited_as = "user"
    audit_leaves_out = ("last_login",)
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    show_facets = admin.ShowFacets.NEVER

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _outranks(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _outranks(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """In one transaction with what the audit tells of it."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Of all that Django calls once a password was set, the one that knows by which form."""
        if isinstance(form, self.change_password_form):
            target = Target("user", str(form.user.pk), form.user.get_username())
            audit.record(actor(request), "password_set", target)
        return super().construct_change_message(request, form, formsets, add)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if _is_superuser(request) else (*fixed, *RIGHTS)


@admin.register(Group)
class GroupPage(GroupBase):
    """A group is a set of rights, so what holds for rights holds for it."""

    audited_as = "group"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)


def _outranks(request: HttpRequest, obj: User | None) -> bool:
    """Whether this account is one without rights, or the one who asks is a superuser."""
    if obj is None or _is_superuser(request):
        return True
    has_rights = obj.is_staff or obj.is_superuser or obj.groups.exists() or obj.user_permissions.exists()
    return not has_rights


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser
