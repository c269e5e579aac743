"""Stored readings and answers can be cleared by those who may, and read by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.pipeline.models import CachedResult

LIST = reverse("admin:processing_cachedresult_changelist")


@pytest.fixture
def stored(owner: User) -> list[CachedResult]:
    given = {"owner": owner, "content": b"secret-canary", "expires_at": timezone.now()}
    return [CachedResult.objects.create(kind=kind, **given) for kind in ("reading", "answer")]


def clear(client: Client, rows: list[CachedResult]) -> Any:
    return client.post(LIST, {"action": "clear", "_selected_action": [row.pk for row in rows]}, follow=True)


def test_it_works(as_root: Client, stored: list[CachedResult]) -> None:
    page = clear(as_root, stored[:1]).content.decode()
    assert "1 stored result was cleared." in page
    assert list(CachedResult.objects.all()) == stored[1:]


def test_who_may_only_look_cannot_clear(staff: Callable[..., Client], stored: list[CachedResult]) -> None:
    clear(staff("processing.view_cachedresult"), stored)
    assert CachedResult.objects.count() == 2


def test_who_holds_the_permission_can_clear(staff: Callable[..., Client], stored: list[CachedResult]) -> None:
    clear(staff("processing.view_cachedresult", "processing.delete_cachedresult"), stored)
    assert not CachedResult.objects.exists()


def test_no_page_shows_or_changes_what_is_stored(as_root: Client, stored: list[CachedResult]) -> None:
    page = reverse("admin:processing_cachedresult_change", args=[stored[0].pk])
    assert "secret-canary" not in as_root.get(page).content.decode() + as_root.get(LIST).content.decode()
    assert as_root.post(page, {"content": "other", "_save": "Save"}).status_code == 403
    assert bytes(CachedResult.objects.get(pk=stored[0].pk).content or b"") == b"secret-canary"
