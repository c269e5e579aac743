"""The login form, the one form that strangers reach: it takes no files, and its refusals are problems like others."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

pytestmark = pytest.mark.django_db
URL = "/admin/login/"


@pytest.fixture
def browser() -> Client:
    """A browser with a CSRF cookie, which anybody gets."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.get(URL)
    return client


def token(browser: Client) -> str:
    return browser.cookies["csrftoken"].value


def form(**fields: str) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    return ("".join(parts) + "--b--\r\n").encode()


def test_it_works(browser: Client) -> None:
    body = form(csrfmiddlewaretoken=token(browser), username="nobody", password="wrong")
    response = browser.generic("POST", URL, body, "multipart/form-data; boundary=b")
    assert response.status_code == 200
    assert b"Please enter the correct" in response.content


@pytest.mark.parametrize("size", [1, 5_000_000])
def test_a_file_is_refused_and_never_written(browser: Client, size: int) -> None:
    """Django's own handlers would fill the disk with what a stranger sends, token or none."""
    file = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n' + b"x" * size + b"\r\n"
    before = set(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())
    response = browser.generic("POST", URL, file + form(a="b"), "multipart/form-data; boundary=b")
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body")
    assert set(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == before


def test_a_missing_token_is_a_problem(browser: Client) -> None:
    response = browser.post(URL, {"username": "admin", "password": "x"})
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert response["Content-Type"] == "application/problem+json"


def test_a_person_sees_a_page(browser: Client) -> None:
    response = browser.post(URL, {"username": "admin", "password": "x"}, headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
