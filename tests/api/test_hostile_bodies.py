"""Bodies and headers that no honest client sends: refused with a word for it, stored nowhere, and no fault of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processing.access.models import AuditEntry
from processing.documents.models import StoredDocument
from processing.runtime.models import ConfigurationRevision
from processing.tasks.models import Task
from tests import samples
from tests.api.routes import UNSAFE, every_route
from tests.conftest import Tenant, tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("as_often_as_one_likes")]
JSON_ROUTES = {
    ("POST", "/admin/config"): {"api_v2": {"timeout": 60}},
    ("POST", "/admin/models"): {"id": "local", "name": "Local"},
    ("PATCH", "/admin/models/local"): {"name": "Local"},
}


@pytest.fixture
def admin() -> Tenant:
    found = tenant("boss", is_superuser=True)
    found.key.scopes = ["admin"]
    found.key.save()
    return found


@pytest.fixture(params=list(JSON_ROUTES), ids=" ".join)
def send(request: pytest.FixtureRequest, admin: Tenant) -> Callable[..., Any]:
    """Sends a body, or that of the route with `more` put into its text, to one of the routes that take JSON."""
    method, url = request.param

    def sent(body: bytes | None = None, more: str = "", content_type: str = "application/json", **extra: Any) -> Any:
        good = json.dumps(JSON_ROUTES[request.param])
        given = (good[:-1] + more + "}").encode() if body is None else body
        return admin.client.generic(method, url, given, content_type, **extra)

    return sent


def nothing_was_done() -> bool:
    return not ConfigurationRevision.objects.exists() and not AuditEntry.objects.exists()


def test_it_works(send: Callable[..., Any]) -> None:
    assert send().status_code == 200
    assert not nothing_was_done() or send().json()["name"] == "Local"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{}",
        b"\x00",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"api_v2=1&id=2",
        '{"id": "x"}'.encode("utf-16"),
    ],
    ids=range(13),
)
def test_what_is_no_json(send: Callable[..., Any], body: bytes) -> None:
    response = send(body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body"), response.content
    assert nothing_was_done()


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"true", b"[{}]", b"1e5"])
def test_what_is_no_object(send: Callable[..., Any], body: bytes) -> None:
    assert send(body).status_code == 422
    assert nothing_was_done()


def test_a_name_that_stands_twice(admin: Tenant) -> None:
    """A proxy that looks for what it forbids may read the first, where Python reads the last."""
    for (method, url), body in JSON_ROUTES.items():
        good = json.dumps(body)
        for more in (good[1:-1], '"a": {"b": 1, "b": 1}', '"a": [[{"b": 1, "b": 2}]]'):
            response = admin.client.generic(method, url, f"{good[:-1]}, {more}}}", "application/json")
            assert (response.status_code, response.json()["code"]) == (422, "duplicate_key"), more
    assert nothing_was_done()


def test_within_the_configuration_too(admin: Tenant) -> None:
    body = b'{"api_v2": {"timeout": 60, "timeout": 1}}'
    assert admin.client.generic("POST", "/admin/config", body, "application/json").status_code == 422
    assert nothing_was_done()


@pytest.mark.parametrize("name", ["unheard_of", "__class__", "__proto__", "constructor", "is_superuser", "provider_id"])
def test_an_unknown_name_sets_nothing(send: Callable[..., Any], admin: Tenant, name: str) -> None:
    response = send(more=f', "{name}": true')
    assert response.status_code in (200, 422)
    if response.status_code == 422:
        assert name in str(response.json()["errors"])
        assert nothing_was_done()


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-7", "utf-16", "rot13", "hex", "zlib", "idna", "bogus"])
def test_a_charset_changes_how_no_body_is_read(send: Callable[..., Any], charset: str) -> None:
    assert send(content_type=f"application/json; charset={charset}").status_code == 200


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "rot13", "hex", "zlib", "idna", "undefined", "bogus"])
def test_nor_that_of_a_form(alice: Tenant, charset: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nWhat is it?\r\n--b--\r\n'
    for url in ("/api/v2/process", "/api/v2/upload"):
        response = alice.client.generic("POST", url, body, f"multipart/form-data; boundary=b; charset={charset}")
        assert response.status_code in (400, 415, 422), response.content
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "multipart/form-data", "a/b; c=d", "\x00", ";"]
)
def test_a_body_of_another_kind(send: Callable[..., Any], content_type: str) -> None:
    response = send(content_type=content_type)
    assert response.status_code in (400, 415, 422), response.content
    assert nothing_was_done()


@pytest.mark.parametrize(
    "boundary", ["", "boundary=", "boundary=" + "b" * 500, "boundary=\xff", "boundary=b; boundary=c"]
)
def test_a_form_without_a_proper_boundary(alice: Tenant, boundary: str) -> None:
    response = alice.client.generic("POST", "/api/v2/process", b"--b--\r\n", f"multipart/form-data; {boundary}")
    assert response.status_code in (400, 415, 422), response.content


@pytest.mark.parametrize("route", every_route(), ids=str)
def test_any_body_to_any_route_is_no_fault_of_ours(route: Any, admin: Tenant, alice: Tenant) -> None:
    """Those of an administrator, too: all that can be sent in a few ways."""
    path = route.path(id="local") if route.parameters == ("id",) else route.nobodys_path()
    for who in (admin, alice):
        for method in UNSAFE:
            for body, kind in (
                (b"null", "application/json"),
                (b'{"a": [[]], "id": {}, "api_v2": [], "erase": 1}', "application/json"),
                (b"a=b", "application/x-www-form-urlencoded"),
                (b"--b--\r\n", "multipart/form-data; boundary=b"),
                (b"\x00", "application/octet-stream"),
            ):
                response = who.client.generic(method.upper(), path, body, kind)
                assert response.status_code < 500, (method, body, response.content)
                if response.status_code >= 400:
                    assert response["Content-Type"] == "application/problem+json"
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Forwarded-Host": "evil.example"}, "evil.example"),
        ({"X-Forwarded-Proto": "https"}, "https://"),
        ({"X-Forwarded-Port": "6666"}, ":6666"),
        ({"Forwarded": "host=evil.example;proto=https"}, "evil.example"),
        ({"X-Original-URL": "/admin/config", "X-Rewrite-URL": "/admin/config"}, "api_v2"),
        ({"X-HTTP-Method-Override": "DELETE"}, "cancelled"),
        ({"X-Forwarded-For": "127.0.0.1, 10.0.0.1", "X-Real-IP": "127.0.0.1"}, "127.0.0.1"),
    ],
    ids=str,
)
def test_what_a_client_claims_of_its_way_here_is_not_believed(
    alice: Tenant, headers: dict[str, str], told: str
) -> None:
    """Links to the next page are made from the host alone, and nothing else changes either."""
    for number in range(2):
        alice.client.post("/api/v2/upload", {"file": SimpleUploadedFile(f"{number}.txt", b"words %d" % number)})
    plain = alice.client.get("/api/v2/upload?page_size=1")
    forged = alice.client.get("/api/v2/upload?page_size=1", headers=headers)
    assert forged.json() == plain.json()
    assert told not in forged.content.decode()


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "a b", "", "[::1", "\x00"]
)
@pytest.mark.parametrize("path", ["/api/v2/health", "/api/v2/tasks", "/admin/login/", "/nothing"])
def test_a_foreign_host(alice: Tenant, host: str, path: str) -> None:
    response = alice.client.get(path, headers={"Host": host})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_host")


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v2/status/%00", "/admin/models/%00", "/admin/models/a%00b", "/%00", "/admin/auth/user/%00/change/"),
        *("/api/v2/tasks?cursor=%00", "/api/v2/upload?page_size=%00", "/admin/processing/task/?q=%00"),
        *("/admin/processing/task/?model=a%00", "/admin/processing/auditentry/?who=%00", "/admin/login/?next=%00"),
    ],
)
def test_a_null_character_in_an_address(admin: Tenant, path: str) -> None:
    admin.client.force_login(admin.user)
    response = admin.client.get(path)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_address")
    assert response["X-Request-ID"] == response.json()["request_id"]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "a.exe",
            "a.EXE",
            "a.eXe",
            "a.exe.pdf",
            "a.pdf.exe",
            "a.ExE.Pdf",
            "a.exe.",
            "a.exe. . ",
            "a. exe",
            "a.exe\x00.pdf",
        ),
        *(
            "a.sh",
            "a.SH.txt",
            "a.bat",
            "a.BAT",
            "a.ps1",
            "a.PS1.docx",
            ".exe.exe",
            "a.e\u200bxe",
            "a.\u202eexe",
        ),
        *("archive.exe.zip", "archive.tar.EXE", "archive.sh.tar.gz", "archive.bat.7z.pdf", "b/a.exe", "b\\a.exe"),
    ],
)
def test_a_blocked_extension_in_any_case_and_place(alice: Tenant, admin: Tenant, name: str) -> None:
    body = {"api_v2": {"blocked_extensions": [".exe", ".SH", ".Bat", "ps1"]}}
    assert admin.client.post("/admin/config", body, format="json").status_code in (200, 422)
    file = SimpleUploadedFile("a.pdf", samples.pdf())
    file.name = name
    response = alice.client.post("/api/v2/upload", {"file": file})
    assert response.status_code == 415, response.content
    assert response.json()["code"] == "blocked_type"
    assert not StoredDocument.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b"MZ\x90\x00 this program cannot be run"),
        ("a.png", samples.pdf()),
        ("a.docx", samples.pdf()),
        ("a.pdf", samples.docx()),
        ("a.txt", b"\x7fELF\x02\x01\x01" + b"\x00" * 100),
        ("a.md", b"PK\x03\x04" + b"\x00" * 100),
        ("a.jpg", samples.picture()),
        ("a.gif", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    ],
    ids=range(8),
)
def test_an_extension_that_lies(alice: Tenant, name: str, content: bytes) -> None:
    response = alice.client.post("/api/v2/upload", {"file": SimpleUploadedFile(name, content)})
    assert (response.status_code, response.json()["code"]) == (415, "type_mismatch")
    assert not StoredDocument.objects.exists()
