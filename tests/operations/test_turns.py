"""Of those that make a database ready at once, one does it while the others wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from processing.operations import turns

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works() -> None:
    within: list[int] = []
    most: list[int] = []
    together = threading.Barrier(6)

    def one(number: int) -> None:
        try:
            connection.ensure_connection()
            together.wait(60)
            with turns.one_at_a_time():
                within.append(number)
                most.append(len(within))
                threading.Event().wait(0.01)
                within.remove(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(6)))
    assert most == [1] * 6


def test_one_that_fails_lets_the_next_in() -> None:
    with pytest.raises(ZeroDivisionError), turns.one_at_a_time():
        1 / 0  # noqa: B018
    with turns.one_at_a_time():
        pass


def test_one_whose_connection_was_lost_lets_the_next_in() -> None:
    with turns.one_at_a_time():
        connection.close()
    with turns.one_at_a_time():
        pass
