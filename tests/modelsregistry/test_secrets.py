"""A stored secret is unreadable without the service's key, and survives the key's rotation."""

from __future__ import annotations

import pytest
from django.test import override_settings

from modelsregistry import secrets
from modelsregistry.errors import ModelMisconfigured
from modelsregistry.models import Provider

OLD, NEW = "the-old-key-" * 5, "the-new-key-" * 5


@override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[])
def test_it_works():
    stored = secrets.encrypt("sk-живой")

    assert "sk-" not in stored
    assert stored != secrets.encrypt("sk-живой")
    assert secrets.decrypt(stored) == "sk-живой"


def test_no_secret_stays_none():
    assert secrets.encrypt("") == secrets.decrypt("") == ""
    assert secrets.is_current("")


def test_a_rotated_key_still_reads_and_renews():
    with override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[]):
        stored = secrets.encrypt("sk-1")
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[OLD]):
        assert secrets.decrypt(stored) == "sk-1"
        assert not secrets.is_current(stored)
        renewed = secrets.renew(stored)
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[]):
        assert secrets.is_current(renewed)
        assert secrets.decrypt(renewed) == "sk-1"


@pytest.mark.parametrize("key", [NEW, OLD])
@pytest.mark.parametrize("damage", [lambda stored: stored[:-4], lambda _: "not a token", lambda _: "ключ"])
def test_what_cannot_be_read_is_said_plainly(key, damage):
    with override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[]):
        stored = damage(secrets.encrypt("sk-1"))
    with override_settings(SECRET_KEY=key, SECRET_KEY_FALLBACKS=[]), pytest.raises(ModelMisconfigured) as raised:
        secrets.decrypt(stored)
    assert raised.value.code == "secret_unreadable"
    assert "SECRET_KEY_FALLBACKS" in raised.value.detail


@pytest.mark.django_db
def test_the_database_holds_no_secret_in_clear():
    provider = Provider(name="P", kind="openai_compatible", base_url="http://127.0.0.1/v1")
    provider.secret = "sk-clear"
    provider.save()

    row = Provider.objects.filter(pk=provider.pk).values().get()
    assert "sk-clear" not in repr(row)
    assert Provider.objects.get(pk=provider.pk).secret == "sk-clear"
