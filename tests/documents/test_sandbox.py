"""A document is read in a child that can be killed, and whose death is nobody else's."""

from __future__ import annotations

import errno
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from processing.documents import registry
from processing.documents.contract import Page, ReadOptions
from processing.documents.limits import MIB, Limits
from processing.documents.sandbox import Sandbox, wire
from processing.documents.sandbox.child import Job
from processing.errors import DeadlineExceeded, DocumentFailed, InvalidInput
from tests.documents import locked, mocks

TXT = registry.named("txt")
DEFAULT = Limits()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(extra_formats=["tests.documents.mocks", "tests.documents.locked"])
    yield sandbox
    sandbox.close()


def soon(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def misbehave(sandbox: Sandbox, how: str, limits: Limits = DEFAULT, **options: object) -> list[Page]:
    file = io.BytesIO(how.encode())
    with sandbox.reading(file, mocks.FORMAT, ReadOptions(**options), deadline=soon(), limits=limits) as reading:
        return list(reading)


def read_text(sandbox: Sandbox, text: str = "hello") -> list[str]:
    with sandbox.reading(io.BytesIO(text.encode()), TXT, ReadOptions(), deadline=soon()) as reading:
        return [page.text for page in reading]


def wait_for_end(pid: int) -> None:
    """Return when a process that is not ours has ended; fails after 30 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 30)[0], "the process still runs"
    finally:
        os.close(descriptor)


def test_it_works(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"one\ftwo"), TXT, ReadOptions(), deadline=soon()) as reading:
        assert reading.page_count == 2
        assert [(page.number, page.text, page.method) for page in reading] == [(1, "one", "text"), (2, "two", "text")]
    assert reading.peak_mb is not None
    assert 1 < reading.peak_mb < 500


def test_a_real_file_is_read_from_its_beginning_whatever_its_offset(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("the whole of it")
    with path.open("rb") as file:
        file.seek(5)
        with sandbox.reading(file, TXT, ReadOptions(), deadline=soon()) as reading:
            assert [page.text for page in reading] == ["the whole of it"]
        assert file.tell() == 5


def test_inspection_counts_pages(sandbox: Sandbox) -> None:
    assert sandbox.inspect(io.BytesIO(b"a\fb\fc"), TXT, deadline=soon()).pages == 3


def test_a_password_reaches_the_format_and_its_absence_and_error_have_codes(sandbox: Sandbox) -> None:
    def inspected(password: str | None) -> int | str | None:
        try:
            return sandbox.inspect(io.BytesIO(b"sesame"), locked.FORMAT, deadline=soon(), password=password).pages
        except DocumentFailed as error:
            assert "sesame" not in error.detail
            return error.code

    assert [inspected(each) for each in (None, "wrong", "sesame")] == ["document_encrypted", "wrong_password", 1]
    with sandbox.reading(
        io.BytesIO(b"sesame"), locked.FORMAT, ReadOptions(password="sesame"), deadline=soon()
    ) as pages:
        assert [page.text for page in pages] == ["opened"]
    assert "sesame" not in repr(ReadOptions(password="sesame"))


def test_a_file_of_another_type_is_the_clients_fault(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInput) as caught:
        sandbox.inspect(io.BytesIO(b"\0\1\2\3" * 100), TXT, deadline=soon())
    assert caught.value.code == "type_mismatch"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("leave", "reader_crashed"),
        ("segfault", "reader_crashed"),
        ("hoard", "memory_limit"),
        ("raise_something", "document_broken"),
        ("speak_nonsense", "reader_crashed"),
        ("count_backwards", "reader_crashed"),
    ],
)
def test_a_bad_end_has_its_code_and_the_next_document_is_read(sandbox: Sandbox, how: str, code: str) -> None:
    with pytest.raises(DocumentFailed) as caught:
        misbehave(sandbox, how, ocr=False)
    assert caught.value.code == code
    assert "words of the document" not in caught.value.detail
    assert read_text(sandbox) == ["hello"]


def test_memory_that_native_code_is_refused_is_told_from_a_crash(sandbox: Sandbox) -> None:
    with pytest.raises(DocumentFailed) as caught:
        misbehave(sandbox, "hoard_in_c", Limits(memory_bytes=400 * MIB), ocr=False)
    assert caught.value.code == "memory_limit"


def test_a_child_that_computes_for_ever_is_ended(sandbox: Sandbox) -> None:
    with pytest.raises(DocumentFailed) as caught:
        misbehave(sandbox, "spin", Limits(cpu_seconds=1))
    assert caught.value.code == "cpu_limit"


@pytest.mark.parametrize(
    ("how", "limits"),
    [
        ("flood", Limits(output_bytes=8 * MIB)),
        ("flood", Limits(text_bytes=8 * MIB)),
        ("huge_page", Limits(page_text_bytes=1000, page_image_bytes=1 << 21)),
    ],
)
def test_output_is_bounded(sandbox: Sandbox, how: str, limits: Limits) -> None:
    with pytest.raises(DocumentFailed) as caught:
        misbehave(sandbox, how, limits)
    assert caught.value.code == "output_limit"


def test_a_child_writes_no_file(sandbox: Sandbox) -> None:
    assert misbehave(sandbox, "write_a_file")[0].text == f"refused {errno.EFBIG}"


def test_a_child_sees_no_secret_and_no_descriptor_but_its_own(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("SECRET_KEY", "very-secret")
    environment, descriptors, score = (page.text for page in misbehave(sandbox, "tell"))
    assert "secret" not in environment
    assert {line.split("=")[0] for line in environment.splitlines()} <= {
        *("PATH", "LANG", "LC_CTYPE", "PYTHONPATH", "SANDBOX_EXTRA_FORMATS"),
        *(
            "MALLOC_ARENA_MAX",
            "MALLOC_TOP_PAD_",
            "MALLOC_MMAP_THRESHOLD_",
            "MALLOC_TRIM_THRESHOLD_",
            "ORT_DISABLE_TELEMETRY",
        ),
    }
    kinds = descriptors.splitlines()
    assert kinds.count("socket") == 1, "the way for its answers, and not the server's control socket"
    assert kinds.count("/dev/null") == 3
    assert len(kinds) <= 6
    assert int(score) > 0


def test_the_server_carries_no_django(sandbox: Sandbox) -> None:
    read_text(sandbox)
    maps = Path(f"/proc/{sandbox.server_pid}/environ").read_text()
    assert "DJANGO" not in maps
    code = "import sys, processing.documents.sandbox.server as s; s._warm(s._formats()); print('django' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


def test_text_recognition_does_not_report_to_its_maker(sandbox: Sandbox) -> None:
    read_text(sandbox)
    assert "ORT_DISABLE_TELEMETRY=1" in Path(f"/proc/{sandbox.server_pid}/environ").read_text()


def test_the_deadline_ends_a_child_that_hangs(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon(2)) as reading:
        pid = int(next(reading).text)
        with pytest.raises(DeadlineExceeded) as caught:
            next(reading)
    assert caught.value.code == "reading_timeout"
    wait_for_end(pid)


def test_leaving_the_block_kills_the_child_and_what_it_started(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"start_a_child"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
        grandchild = int(next(reading).text)
    wait_for_end(grandchild)
    assert read_text(sandbox) == ["hello"]


def test_another_thread_may_close_a_reading_that_hangs(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
        pid = int(next(reading).text)
        closer = threading.Timer(0.1, reading.close)
        closer.start()
        with pytest.raises(Exception):  # noqa: B017 - what it is does not matter to one who gave up
            next(reading)
        closer.join()
    wait_for_end(pid)


def test_a_signal_handler_interrupts_the_wait(sandbox: Sandbox) -> None:
    class CancelledError(Exception):
        pass

    def cancel(*_: object) -> None:
        raise CancelledError

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
            pid = int(next(reading).text)
            timer = threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
            timer.start()
            with pytest.raises(CancelledError):
                next(reading)
    finally:
        signal.signal(signal.SIGUSR1, before)
    wait_for_end(pid)


def test_eight_threads_read_at_once(sandbox: Sandbox) -> None:
    texts = [f"document {number}" for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: read_text(sandbox, text), texts)) == [[text] for text in texts]


def test_one_that_hangs_does_not_hold_up_the_others(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
        next(reading)
        assert read_text(sandbox) == ["hello"]


def test_a_server_that_was_killed_is_replaced(sandbox: Sandbox) -> None:
    read_text(sandbox)
    first = sandbox.server_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for_end(first)
    assert read_text(sandbox) == ["hello"]
    assert sandbox.server_pid != first


def waiting_for(sandbox: Sandbox) -> int:
    """The child that waits for the next job of the sandbox's server, once it is there."""
    server, end = psutil.Process(sandbox.server_pid), soon(30)
    while not (children := [each for each in server.children() if each.name() == "api-v2 reader"]):
        assert time.monotonic() < end, "no child waits"
        time.sleep(0.01)
    return children[0].pid


def test_a_child_waits_for_the_next_document(sandbox: Sandbox) -> None:
    assert read_text(sandbox) == ["hello"]
    waiting = waiting_for(sandbox)
    with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
        assert int(next(reading).text) == waiting
        assert psutil.Process(waiting).name() == "api-v2 reading"
    assert waiting_for(sandbox) != waiting


def test_a_child_that_dies_while_it_waits_takes_no_document_with_it(sandbox: Sandbox) -> None:
    for _ in range(3):
        assert read_text(sandbox) == ["hello"]
        waiting = waiting_for(sandbox)
        os.kill(waiting, signal.SIGKILL)
        wait_for_end(waiting)
    assert read_text(sandbox) == ["hello"]


def test_a_waiting_child_ends_with_its_server(sandbox: Sandbox) -> None:
    read_text(sandbox)
    waiting = waiting_for(sandbox)
    sandbox.close()
    wait_for_end(waiting)


def test_a_child_dies_with_its_server(sandbox: Sandbox) -> None:
    with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=soon()) as reading:
        pid = int(next(reading).text)
        assert sandbox.server_pid is not None
        os.kill(sandbox.server_pid, signal.SIGKILL)
        wait_for_end(pid)
        with pytest.raises(Exception) as caught:
            next(reading)
    assert getattr(caught.value, "code", "") == "reader_unavailable"


def test_nothing_is_left_when_the_client_is_killed() -> None:
    code = """
import io, json, signal, time
from processing.documents.contract import ReadOptions
from processing.documents.sandbox import Sandbox
from tests.documents import locked, mocks
sandbox = Sandbox(["tests.documents.mocks"])
with sandbox.reading(io.BytesIO(b"hang"), mocks.FORMAT, ReadOptions(), deadline=time.monotonic() + 60) as reading:
    print(json.dumps([sandbox.server_pid, int(next(reading).text)]), flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        pids = json.loads(client.stdout.readline())
        client.kill()
    for pid in pids:
        wait_for_end(pid)


def test_a_forked_process_has_a_server_of_its_own(sandbox: Sandbox) -> None:
    read_text(sandbox)
    code = """
import io, os, sys, time
from processing.documents import registry
from processing.documents.contract import ReadOptions
from processing.documents.sandbox import Sandbox
sandbox = Sandbox()
def read():
    kind = registry.named("txt")
    with sandbox.reading(io.BytesIO(b"x"), kind, ReadOptions(), deadline=time.monotonic() + 60) as reading:
        assert [page.text for page in reading] == ["x"]
    return sandbox.server_pid
mine = read()
pid = os.fork()
if pid == 0:
    os._exit(0 if read() != mine else 1)
assert os.waitpid(pid, 0)[1] == 0
assert read() == mine
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_descriptors_do_not_pile_up(sandbox: Sandbox) -> None:
    read_text(sandbox)
    assert sandbox.server_pid is not None
    before = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), sandbox.server_pid)]
    for how in ("leave", "segfault", "raise_something"):
        with pytest.raises(DocumentFailed):
            misbehave(sandbox, how)
    for _ in range(20):
        read_text(sandbox)
    after = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), sandbox.server_pid)]
    assert all(now <= then + 1 for now, then in zip(after, before, strict=True)), (before, after)


def test_any_number_of_pages_may_be_asked_for() -> None:
    """A job is one message: it names a hundred thousand pages by where they begin and end."""
    job = Job("read", "csv", ReadOptions(only=frozenset({*range(1, 100_001, 1), 100_007})), Limits())
    packed = json.dumps(job.packed())
    assert len(packed) < 2000
    assert Job.unpacked(json.loads(packed)) == job


class CountingSocket:
    """Keeps what each call sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.sent.append(bytes(data))


def sender_over(socket: CountingSocket) -> wire.Sender:
    return wire.Sender(socket)  # type: ignore[arg-type]


def test_pages_that_follow_one_another_quickly_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(wire.time, "monotonic", lambda: now)
    socket = CountingSocket()
    sender = sender_over(socket)
    sender.send_page({"number": 1}, b"one")
    assert len(socket.sent) == 1, "the first page waits for nothing"
    sender.send_page({"number": 2}, b"two")
    sender.send_page({"number": 3}, b"three")
    assert len(socket.sent) == 1
    now += 1
    sender.send_page({"number": 4}, b"four")
    assert len(socket.sent) == 2
    assert all(text in socket.sent[1] for text in (b"two", b"three", b"four"))


def test_no_page_waits_behind_another_message_or_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.time, "monotonic", lambda: 100.0)
    socket = CountingSocket()
    sender = sender_over(socket)
    sender.send_page({"number": 1}, b"one")
    sender.send_page({"number": 2}, b"two")
    sender.send({"kind": wire.RECOGNITION})
    assert len(socket.sent) == 2
    assert b"two" in socket.sent[1]
    assert wire.RECOGNITION.encode() in socket.sent[1]
    sender.send_page({"number": 3}, b"three")
    assert len(socket.sent) == 3


def test_large_pages_are_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.time, "monotonic", lambda: 100.0)
    socket = CountingSocket()
    sender = sender_over(socket)
    sender.send_page({"number": 1}, b"one")
    for _ in range(4):
        sender.send_page({"number": 2}, b"x" * (wire.CHUNK - 1))
    assert sum(map(len, socket.sent)) >= 3 * wire.CHUNK
    large = b"y" * (2 * wire.CHUNK)
    sender.send_page({"number": 3}, large)
    assert socket.sent[-1] == large
