"""A body that arrives whole is read whole; one that stalls or breaks off is an error, never a shorter body."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import cast

import pytest

from apiv2project import arrival
from apiv2project.arrival import Arrival


def read(source: Callable[[int], bytes], length: int | None, ending: bytes = b"") -> bytes:
    with io.BufferedReader(Arrival(source, length, ending)) as body:
        return body.read()


@pytest.mark.parametrize("length", [200_000, None])
def test_it_works(length: int | None) -> None:
    sent = bytes(range(250)) * 800
    assert read(io.BytesIO(sent).read, length) == sent


def test_it_reads_in_pieces_as_small_as_wanted() -> None:
    with io.BufferedReader(Arrival(io.BytesIO(b"first\nsecond").read, 12), 4) as body:
        assert [body.readline(), body.read(3), body.read()] == [b"first\n", b"sec", b"ond"]


def test_nothing_past_the_declared_length_is_asked_for() -> None:
    asked = []

    def source(size: int) -> bytes:
        asked.append(size)
        return b"x" * size

    with io.BufferedReader(Arrival(source, 10)) as body:
        assert body.read(10) == b"x" * 10
    assert asked[0] == 10


def test_a_body_that_ends_before_its_declared_length_broke_off() -> None:
    with pytest.raises(ConnectionError):
        read(io.BytesIO(b"abc").read, 4)


@pytest.mark.parametrize("length", [18, None])
def test_a_form_without_its_closing_boundary_broke_off(length: int | None) -> None:
    with pytest.raises(ConnectionError):
        read(io.BytesIO(b"--b\r\n\r\nhalf a file").read, length, b"--b--")


def test_a_form_that_is_read_no_further_than_its_length_broke_off_all_the_same() -> None:
    """As Django reads: it never asks for the end of a body whose length it knows."""
    cut = Arrival(io.BytesIO(b"--b\r\n\r\nhalf a file").read, 18, b"--b--")
    with io.BufferedReader(cut) as body, pytest.raises(ConnectionError):
        body.read(18)


@pytest.mark.parametrize("length", [22, None])
def test_a_form_with_its_closing_boundary_is_whole(length: int | None) -> None:
    sent = b"--b\r\n\r\na file\r\n--b--\r\n"
    assert read(io.BytesIO(sent).read, length, b"--b--") == sent


def test_a_closing_boundary_that_arrives_in_pieces_is_seen() -> None:
    pieces = iter([b"--b\r\n\r\na file\r\n--", b"b-", b"-\r\n", b""])
    assert read(lambda _size: next(pieces), None, b"--b--").endswith(b"--b--\r\n")


def test_a_broken_connection_is_an_error() -> None:
    def source(size: int) -> bytes:
        raise OSError("reset")

    with pytest.raises(ConnectionError):
        read(source, 10)


@pytest.mark.parametrize("limit", ["PIECE_WITHIN", "WHOLE_WITHIN"])
def test_a_sender_that_stalls_is_given_up_and_its_thread_let_go(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(arrival, limit, 0.01)
    dropped = threading.Event()

    def source(size: int) -> bytes:
        dropped.wait()
        return b""

    before = set(threading.enumerate())
    with pytest.raises(TimeoutError):
        read(source, 10)
    dropped.set()  # the server drops the connection once it has sent the refusal
    for thread in set(threading.enumerate()) - before:
        thread.join()


def test_what_nobody_wants_is_read_on_until_its_sender_has_sent_all() -> None:
    body = io.BytesIO(b"x" * 1_000_000)
    arriving = Arrival(body.read, 1_000_000)
    assert arriving.read(10) == b"x" * 10
    arriving.linger()
    assert arriving.is_whole
    assert body.tell() == 1_000_000


def test_who_goes_on_sending_is_listened_to_no_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LINGER", 0.05)
    with io.BufferedReader(Arrival(lambda size: b"x" * size, None)) as body:
        body.read(10)
        cast(Arrival, body.raw).linger()
        assert not cast(Arrival, body.raw).is_whole


@pytest.mark.parametrize("end", [b"", ConnectionResetError()])
def test_a_sender_that_gives_up_is_not_waited_for(end: bytes | Exception) -> None:
    pieces = iter([b"x" * 10, end])

    def source(size: int) -> bytes:
        piece = next(pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    arriving = Arrival(source, 1_000_000)
    assert arriving.read(10) == b"x" * 10
    arriving.linger()


def test_a_sender_that_falls_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_SILENCE", 0.01)
    monkeypatch.setattr(arrival, "LINGER", 3600.0)
    dropped = threading.Event()
    pieces = iter([b"x" * 10])

    def source(size: int) -> bytes:
        if piece := next(pieces, b""):
            return piece
        dropped.wait()
        return b""

    arriving = Arrival(source, 1_000_000)
    assert arriving.read(10) == b"x" * 10
    arriving.linger()
    dropped.set()


def test_a_reader_that_gives_up_lets_the_thread_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_LOOK_UP", 0.01)
    before = set(threading.enumerate())
    with io.BufferedReader(Arrival(lambda size: b"x" * size, None)) as body:
        body.read(10)
    for thread in set(threading.enumerate()) - before:
        thread.join()
