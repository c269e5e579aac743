"""Many documents at once: what becomes of the good and of the bad ones, and that nothing is half done."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from processing.access.audit import SERVICE
from processing.access.models import AuditEntry, IdempotencyKey
from processing.api import batch_files
from processing.api import batches as resource
from processing.delivery import archive, batches
from processing.documents.models import StoredDocument
from processing.operations import erasure
from processing.runtime import configuration
from processing.tasks import batches as ends
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Outcome
from processing.tasks.models import Batch, Status, Task
from tests.api.test_repeats import code, crowd
from tests.api.test_repeats import hasty as hasty
from tests.conftest import Tenant

URL = "/api/v2/batches"
PROMPT = "What is the total amount?"
SHARED = {"prompt": PROMPT, "model": "local"}


def text(number: int, words: str = "The total is %d euros.") -> SimpleUploadedFile:
    return SimpleUploadedFile(f"{number}.txt", (words % number).encode())


def post(who: Tenant, files: Any = (), key: str | None = None, **fields: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {**SHARED, **({"files": list(files)} if files else {}), **fields}
    return who.client.post(URL, body, format="multipart", headers=headers)


def listed(*lines: Any) -> str:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)


def work(number: int = 100) -> None:
    """Answer so many waiting tasks."""
    for _ in range(number):
        claim = lifecycle.claim("here", 1, limit=1000)
        if claim is None:
            return
        lifecycle.complete(claim, Outcome({"content": f"about {claim.task.filename}"}, "local", 1, 10, 5, None))


def records(who: Tenant, batch_id: str) -> list[dict[str, Any]]:
    reply = who.client.get(f"{URL}/{batch_id}/results")
    assert reply.status_code == 200
    assert reply["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.getvalue().splitlines()]


def stored_files() -> set[Path]:
    root = Path(settings.DATA_DIR)
    return {path for name in ("files", "incoming") for path in (root / name).rglob("*") if path.is_file()}


@pytest.fixture
def nothing_is_kept(django_capture_on_commit_callbacks: Any) -> Any:
    before = stored_files()
    with django_capture_on_commit_callbacks(execute=True):  # by which bytes are deleted
        yield
    assert not Batch.objects.exists()
    assert not Task.objects.exists()
    assert not StoredDocument.objects.exists()
    assert stored_files() <= before


@pytest.mark.django_db(transaction=True)
def test_it_works(hasty: Tenant) -> None:
    alice = hasty
    reply = post(alice, [text(1), text(2), text(3)], surprise="x")
    assert reply.status_code == 201, reply.content
    body = reply.json()
    batch_id = body["batch_id"]
    assert (body["status"], body["total"], body["progress"], body["refused"]) == ("queued", 3, 0.0, [])
    assert body["ignored_fields"] == ["surprise"]
    assert {(task.prompt, task.model, task.batch_line) for task in Task.objects.all()} == {
        (PROMPT, "local", line) for line in (1, 2, 3)
    }

    work(1)
    body = alice.client.get(f"{URL}/{batch_id}").json()
    assert (body["status"], body["progress"], body["completed_at"]) == ("processing", 33.3, None)
    assert body["counts"] == {"queued": 2, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}

    work()
    body = alice.client.get(f"{URL}/{batch_id}").json()
    assert (body["status"], body["progress"], body["input_tokens"]) == ("completed", 100.0, 30)
    assert body["completed_at"] is not None
    found = records(alice, batch_id)
    assert [(each["line"], each["file"], each["status"]) for each in found] == [
        (line, f"{line}.txt", "completed") for line in (1, 2, 3)
    ]
    assert found[0]["result"]["content"] == "about 1.txt"
    tasks = alice.client.get("/api/v2/tasks", {"batch": batch_id}).json()["results"]
    assert [task["task_id"] for task in tasks] == [each["task_id"] for each in found][::-1]


@pytest.mark.django_db
class TestFiles:
    def test_what_is_no_document_fails_alone(self, alice: Tenant) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archived:
            archived.writestr("a.txt", "words")
        bad = [
            SimpleUploadedFile("a.zip", packed.getvalue()),
            SimpleUploadedFile("empty.txt", b""),
            SimpleUploadedFile("no.pdf", b"words"),
        ]
        body = post(alice, [text(1), *bad, text(2)]).json()
        assert (body["total"], body["counts"]["queued"], body["counts"]["failed"]) == (5, 2, 3)
        told = [(each["line"], each["file"], each["error_code"]) for each in body["refused"]]
        assert told == [
            (2, "a.zip", "unsupported_type"),
            (3, "empty.txt", "empty_file"),
            (4, "no.pdf", "type_mismatch"),
        ]
        assert {each.filename for each in StoredDocument.objects.all()} == {"1.txt", "2.txt"}
        assert [each["error_code"] for each in records(alice, body["batch_id"])] == [
            None, "unsupported_type", "empty_file", "type_mismatch", None,
        ]  # fmt: skip

    def test_one_that_is_too_large_fails_alone(self, alice: Tenant) -> None:
        configuration.change({"max_file_size": 1000}, author=None)
        body = post(alice, [text(1), SimpleUploadedFile("big.txt", b"x" * 3_000_000), text(2)]).json()
        assert [(each["line"], each["error_code"]) for each in body["refused"]] == [(2, "file_too_large")]
        assert Task.objects.count() == 2

    def test_words_where_a_file_belongs(self, alice: Tenant) -> None:
        body = post(alice, ["just words", text(1)]).json()
        assert [(each["line"], each["error_code"]) for each in body["refused"]] == [(2, "file_required")]

    def test_a_part_that_is_called_otherwise(self, alice: Tenant) -> None:
        body = post(alice, [text(1)], attachment=text(2)).json()
        assert [(each["file"], each["error_code"]) for each in body["refused"]] == [("2.txt", "unknown_part")]
        assert StoredDocument.objects.get().filename == "1.txt"

    def test_where_all_fail_the_batch_has_failed(self, alice: Tenant) -> None:
        body = post(alice, [SimpleUploadedFile("no.pdf", b"words")]).json()
        assert (body["status"], body["progress"], body["counts"]["failed"]) == ("failed", 100.0, 1)
        assert body["completed_at"] is not None

    def test_single_tasks_go_before(self, alice: Tenant) -> None:
        post(alice, [text(1)])
        alice.client.post("/api/v2/process", {**SHARED, "file": text(2)}, format="multipart")
        claim = lifecycle.claim("here", 1, limit=10)
        assert claim is not None
        assert claim.task.filename == "2.txt"

    @pytest.mark.parametrize(
        ("fields", "wanted"),
        [
            ({"prompt": "x"}, "min_length"),
            ({"model": "none"}, "unknown_model"),
            ({"temperature": "7"}, "max_value"),
            ({"vision_mode": "force_vision"}, "vision_unavailable"),
        ],
    )
    def test_what_is_wrong_with_all_refuses_all(
        self, alice: Tenant, nothing_is_kept: None, fields: dict[str, str], wanted: str
    ) -> None:
        assert code(post(alice, [text(1), text(2)], **fields)) == (422, wanted)

    def test_no_files_at_all(self, alice: Tenant, nothing_is_kept: None) -> None:
        assert code(post(alice)) == (422, "file_required")
        assert code(alice.client.post(URL, {}, format="multipart")) == (422, "required")

    def test_more_than_a_hundred_are_taken(self, alice: Tenant) -> None:
        body = post(alice, [text(number) for number in range(101)]).json()
        assert (body["total"], body["counts"]["queued"]) == (101, 101)

    def test_more_than_allowed_are_refused(self, alice: Tenant, nothing_is_kept: None) -> None:
        configuration.change({"max_batch_items": 3}, author=None)
        assert code(post(alice, [text(number) for number in range(4)])) == (422, "too_many_items")

    def test_no_room_in_the_queue_for_all(self, alice: Tenant, nothing_is_kept: None) -> None:
        configuration.change({"max_waiting_per_key": 2}, author=None)
        assert code(post(alice, [text(1), text(2), text(3)])) == (429, "too_many_waiting")

    def test_exactly_enough_room(self, alice: Tenant) -> None:
        configuration.change({"max_waiting_per_key": 3}, author=None)
        assert post(alice, [text(1), text(2), text(3)]).status_code == 201

    def test_too_many_files_a_minute(self, alice: Tenant, nothing_is_kept: None) -> None:
        configuration.change({"rate_limits": {"batch_files_per_minute": 2}}, author=None)
        assert code(post(alice, [text(1), text(2), text(3)])) == (429, "batch_files_limited")

    def test_a_body_over_the_bound_is_not_read(self, alice: Tenant, nothing_is_kept: None) -> None:
        configuration.change({"max_batch_mb": 1}, author=None)
        large = [SimpleUploadedFile(f"{number}.txt", b"x" * 700_000) for number in range(4)]
        assert code(post(alice, large)) == (413, "body_too_large")

    def test_a_failure_on_the_way_leaves_nothing(
        self, alice: Tenant, nothing_is_kept: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(resource, "Plan", fail)
        assert post(alice, [text(1), text(2)]).status_code == 500

    def test_one_file_at_a_time_is_open(self, alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[batch_files.ReceivedFile] = []

        class Watched(batch_files.ReceivedFile):
            def __init__(self, *arguments: Any) -> None:
                assert all(each.closed for each in opened)
                super().__init__(*arguments)
                opened.append(self)

        monkeypatch.setattr(batch_files, "ReceivedFile", Watched)
        assert post(alice, [text(number) for number in range(5)]).status_code == 201
        assert len(opened) == 5

    def test_a_browser_sends_its_token_in_the_header(self, alice: Tenant) -> None:
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(alice.user)
        refused = client.post(URL, {**SHARED, "files": [text(1)]}, format="multipart")
        assert refused.status_code == 403
        assert not StoredDocument.objects.exists()
        client.cookies["csrftoken"] = "a" * 32
        body = {**SHARED, "files": [text(1)]}
        assert client.post(URL, body, format="multipart", headers={"X-CSRFToken": "a" * 32}).status_code == 201


@pytest.mark.django_db
class TestItems:
    def test_it_works(self, alice: Tenant) -> None:
        stored = alice.client.post("/api/v2/upload", {"file": text(7)}, format="multipart").json()["file_id"]
        items = listed(
            {"file": "1.txt", "prompt": "Who sent it, and when?"},
            "",
            {"file": "report", "temperature": 0, "response_schema": {"type": "object"}},
            {"file_id": stored, "surprise": 1},
            {"file": "1.txt"},
        )
        body = post(alice, report=text(2), files=[text(1)], items=items).json()
        assert (body["total"], body["refused"], body["ignored_fields"]) == (4, [], ["surprise"])
        tasks = Task.objects.order_by("batch_line")
        assert [(task.batch_line, task.filename, task.prompt) for task in tasks] == [
            (1, "1.txt", "Who sent it, and when?"), (3, "2.txt", PROMPT), (4, "7.txt", PROMPT), (5, "1.txt", PROMPT),
        ]  # fmt: skip
        assert tasks[1].options["temperature"] == 0
        assert tasks[1].options["response_schema"] == {"type": "object"}

    def test_the_list_may_be_a_file(self, alice: Tenant) -> None:
        items = SimpleUploadedFile("items.jsonl", listed({"file": "1.txt"}).encode())
        assert post(alice, files=[text(1)], items=items).json()["counts"]["queued"] == 1

    def test_a_bad_line_fails_alone_and_is_named(self, alice: Tenant, mallory: Tenant) -> None:
        theirs = mallory.client.post("/api/v2/upload", {"file": text(9)}, format="multipart").json()["file_id"]
        bad = {
            2: ("{no json", "malformed_line"),
            3: ("[1]", "malformed_line"),
            4: ('{"file": "1.txt", "file": "2.txt"}', "duplicate_key"),
            5: ({"file": "1.txt", "prompt": "x"}, "min_length"),
            6: ({"file": "1.txt", "model": "none"}, "unknown_model"),
            7: ({"file": "other.txt"}, "unknown_part"),
            8: ({"file_id": theirs}, "file_not_found"),
            9: ({"file_id": "7"}, "invalid"),
            10: ({"prompt": PROMPT}, "file_required"),
            11: ({"file": "no.pdf"}, "type_mismatch"),
            12: ({"file": "1.txt", "pages": "7-"}, "invalid_pages"),
            13: ({"file": "1.txt", "response_schema": {"type": "wrong"}}, "invalid_schema"),
        }
        files = [text(1), SimpleUploadedFile("no.pdf", b"words")]
        items = listed({"file": "1.txt"}, *(line for line, _code in bad.values()), {"file": "1.txt", "top_k": 3})
        body = post(alice, files=files, items=items).json()
        assert {each["line"]: each["error_code"] for each in body["refused"]} == {n: c for n, (_l, c) in bad.items()}
        assert sorted(Task.objects.values_list("batch_line", flat=True)) == [1, 14]

    def test_a_name_that_two_parts_have(self, alice: Tenant) -> None:
        files = [text(1), SimpleUploadedFile("1.txt", b"other words")]
        body = post(alice, files=files, items=listed({"file": "1.txt"})).json()
        assert body["refused"][0]["error_code"] == "ambiguous_part"

    def test_parts_that_no_line_names_are_not_kept(self, alice: Tenant) -> None:
        post(alice, files=[text(1), text(2)], items=listed({"file": "2.txt"}))
        assert StoredDocument.objects.get().filename == "2.txt"

    def test_stored_files_count_against_the_limit_too(self, alice: Tenant) -> None:
        stored = alice.client.post("/api/v2/upload", {"file": text(7)}, format="multipart").json()["file_id"]
        configuration.change({"rate_limits": {"batch_files_per_minute": 2}}, author=None)
        items = listed(*[{"file_id": stored}] * 3)
        assert code(post(alice, items=items)) == (429, "batch_files_limited")

    def test_too_many_lines(self, alice: Tenant, nothing_is_kept: None) -> None:
        configuration.change({"max_batch_items": 3}, author=None)
        assert code(post(alice, [text(1)], items=listed(*[{"file": "1.txt"}] * 4))) == (422, "too_many_items")


@pytest.mark.django_db
class TestLookingAndEnding:
    def test_a_stranger_finds_nothing(self, alice: Tenant, mallory: Tenant) -> None:
        url = f"{URL}/{post(alice, [text(1)]).json()['batch_id']}"
        for method, path in (("get", url), ("get", f"{url}/results"), ("delete", url), ("delete", f"{url}?erase=true")):
            assert code(getattr(mallory.client, method)(path)) == (404, "batch_not_found")
        assert mallory.client.get(URL).json()["results"] == []
        assert mallory.client.get("/api/v2/tasks", {"batch": url.rpartition("/")[2]}).json()["results"] == []
        assert Task.objects.get().status == Status.QUEUED

    def test_the_list_is_paged(self, alice: Tenant) -> None:
        made = [post(alice, [text(number)]).json()["batch_id"] for number in range(3)]
        first = alice.client.get(URL, {"page_size": 2}).json()
        second = alice.client.get(first["next"]).json()
        assert [each["batch_id"] for each in first["results"] + second["results"]] == made[::-1]

    def test_cancelling_ends_what_has_not_ended(self, alice: Tenant) -> None:
        url = f"{URL}/{post(alice, [text(1), text(2), text(3)]).json()['batch_id']}"
        work(1)
        reply = alice.client.delete(url)
        assert (reply.status_code, reply.json()["cancelled"]) == (200, 2)
        body = alice.client.get(url).json()
        assert (body["status"], body["counts"]["completed"], body["counts"]["cancelled"]) == ("cancelled", 1, 2)
        assert code(alice.client.delete(url)) == (400, "batch_finished")
        entry = AuditEntry.objects.get(target_kind="batch")
        assert (entry.action, entry.actor_name) == ("cancelled", "alice")

    def test_erasing_leaves_nothing(self, alice: Tenant) -> None:
        before = stored_files()
        url = f"{URL}/{post(alice, [text(1), text(2)], key='one').json()['batch_id']}"
        work(1)
        assert alice.client.delete(f"{url}?erase=true").status_code == 204
        for model in (Batch, Task, StoredDocument, IdempotencyKey):
            assert not model.objects.exists()
        assert code(alice.client.get(url)) == (404, "batch_not_found")
        assert AuditEntry.objects.get(target_kind="batch").action == "erased"
        assert len(stored_files() - before) <= 2  # whose deletion waits for a commit that this test never makes

    def test_an_owner_is_erased_with_their_batches(self, alice: Tenant) -> None:
        post(alice, [text(1)])
        assert erasure.erase_owner(alice.user, SERVICE, keep_user=True)["batches"] == 1
        assert not Batch.objects.exists()

    def test_as_a_zip_whose_names_lead_nowhere(self, alice: Tenant) -> None:
        body = post(alice, [text(1), SimpleUploadedFile("no.pdf", b"words")]).json()
        work()
        Task.objects.update(filename="..\\..\\etc/pass:wd.txt")
        reply = alice.client.get(f"{URL}/{body['batch_id']}/results?format=zip")
        assert reply["Content-Type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(reply.getvalue())) as found:
            assert found.testzip() is None
            names = found.namelist()
            assert names == ["0001-_.._etc_pass_wd.txt.json", "0001-_.._etc_pass_wd.txt.md", "0002-no.pdf.json"]
            assert found.read(names[1]) == b"about 1.txt"
            assert json.loads(found.read(names[2]))["error_code"] == "type_mismatch"

    @pytest.mark.parametrize("name", ["", "..", "/", "a" * 300, "con/../x", "\x00"])
    def test_a_safe_name(self, name: str) -> None:
        safe = archive.safe(name)
        assert safe
        assert len(safe) <= 100
        assert not set(safe) & set("/\\\x00:")
        assert safe not in ("", ".", "..")

    def test_results_are_read_a_few_at_a_time(self, alice: Tenant, django_assert_max_num_queries: Any) -> None:
        body = post(alice, [text(number) for number in range(25)]).json()
        with django_assert_max_num_queries(5):
            assert [each["line"] for each in batches.results(Batch.objects.get())] == [*range(1, 26)]
        assert body["total"] == 25

    @pytest.mark.parametrize("form", ["jsonl", "zip"])
    def test_results_are_sent_while_they_are_read(self, alice: Tenant, form: str) -> None:
        """The first answers are on their way before the last are looked at."""
        batch_id = post(alice, [text(number) for number in range(25)]).json()["batch_id"]
        work(24)
        reply = alice.client.get(f"{URL}/{batch_id}/results?format={form}")
        pieces = iter(reply.streaming_content)
        first = next(pieces)
        work()
        rest = list(pieces)
        assert len(rest) >= 24
        if form == "jsonl":
            assert json.loads(first)["result"] == {"content": "about 0.txt"}
            last = json.loads(rest[-1])
        else:
            with zipfile.ZipFile(io.BytesIO(b"".join([first, *rest]))) as found:
                last = json.loads(found.read("0025-24.txt.json"))
        assert (last["status"], last["result"]) == ("completed", {"content": "about 24.txt"})

    def test_accept_names_the_format_too(self, alice: Tenant) -> None:
        url = f"{URL}/{post(alice, [text(1)]).json()['batch_id']}/results"
        assert alice.client.get(url, headers={"Accept": "application/zip"})["Content-Type"] == "application/zip"
        assert alice.client.get(url, headers={"Accept": "application/json"}).status_code == 200


@pytest.mark.django_db
class TestAgain:
    def test_under_a_key(self, alice: Tenant) -> None:
        first, second = (post(alice, [text(1), text(2)], key="one") for _ in range(2))
        assert first.json() == second.json()
        assert second["Idempotency-Replayed"] == "true"
        assert (Batch.objects.count(), Task.objects.count(), StoredDocument.objects.count()) == (1, 2, 2)
        assert code(post(alice, [text(2), text(1)], key="one")) == (422, "idempotency_mismatch")

    def test_without_a_key(self, alice: Tenant) -> None:
        first, second = (post(alice, [text(1), text(2)]).json() for _ in range(2))
        assert second["batch_id"] == first["batch_id"]
        assert (first["deduplicated"], second["deduplicated"]) == (False, True)
        assert post(alice, [text(1), text(2)], dedupe="false").json()["batch_id"] != first["batch_id"]

    def test_one_that_was_cancelled_is_begun_anew(self, alice: Tenant) -> None:
        first = post(alice, [text(1)]).json()["batch_id"]
        alice.client.delete(f"{URL}/{first}")
        assert post(alice, [text(1)]).json()["batch_id"] != first


@pytest.mark.django_db(transaction=True)
class TestTheEnd:
    def test_of_many_that_end_the_last_items_at_once_one_ends_the_batch(
        self, hasty: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        won: list[bool] = []
        close = ends.close
        monkeypatch.setattr(ends, "close", lambda seq: won.append(close(seq)))
        post(hasty, [text(number) for number in range(8)])
        claims = [lifecycle.claim("here", 1, limit=100) for _ in range(8)]
        outcome = Outcome({"content": "x"}, "local", 1, 1, 1, None)
        crowd(8, lambda number: claims[number] and lifecycle.complete(claims[number], outcome))
        assert sorted(won) == [False] * 7 + [True]
        assert Batch.objects.get().completed_at is not None

    def test_one_that_nobody_saw_ending_is_ended_by_the_rows(self, hasty: Tenant) -> None:
        post(hasty, [text(1)])
        post(hasty, [text(2)])
        Task.objects.filter(filename="1.txt").update(status=Status.COMPLETED)
        assert ends.close_ended() == 1
        assert ends.close_ended() == 0
        assert Batch.objects.filter(completed_at=None).count() == 1

    def test_trying_an_item_again_does_not_end_it_twice(self, hasty: Tenant) -> None:
        url = f"{URL}/{post(hasty, [text(1)]).json()['batch_id']}"
        hasty.client.delete(url)
        ended = Batch.objects.get().completed_at
        assert ended is not None
        task = Task.objects.get()
        assert hasty.client.post(f"/api/v2/tasks/{task.id}/retry").status_code == 200
        work()
        assert Batch.objects.get().completed_at == ended

    def test_eight_at_once_that_send_the_same_make_one_batch(self, hasty: Tenant) -> None:
        replies = crowd(8, lambda _: post(hasty, [text(1), text(2)]))
        assert {reply.status_code for reply in replies} == {201}
        assert len({reply.json()["batch_id"] for reply in replies}) == 1
        assert (Batch.objects.count(), Task.objects.count()) == (1, 2)

    def test_cancelling_while_they_are_worked_on(self, hasty: Tenant) -> None:
        url = f"{URL}/{post(hasty, [text(number) for number in range(30)]).json()['batch_id']}"

        def act(number: int) -> None:
            hasty.client.delete(url) if number == 0 else work(10)

        crowd(4, act)
        body = hasty.client.get(url).json()
        assert body["completed_at"] is not None
        assert body["counts"]["completed"] + body["counts"]["cancelled"] == 30
