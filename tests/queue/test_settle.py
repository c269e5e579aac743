"""What became of a task is not lost with the database's connection."""

from __future__ import annotations

import pytest
from django.db import DataError, InterfaceError, OperationalError

from processing.queue import settle as settling
from processing.queue.settle import settle
from processing.tasks import lifecycle
from processing.tasks.lifecycle import Claim
from processing.tasks.models import Status, Task
from tests.conftest import Tenant
from tests.tasks.test_lifecycle import claimed, outcome, submitted

pytestmark = pytest.mark.django_db(transaction=True)


class Outage:
    """A way to write the answer that fails so often, and counts."""

    def __init__(self, claim: Claim, *errors: Exception) -> None:
        self._claim = claim
        self._errors = list(errors)
        self.tries = 0

    def __call__(self) -> bool:
        self.tries += 1
        if self._errors:
            raise self._errors.pop(0)
        return lifecycle.complete(self._claim, outcome())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_PAUSE", 0.0)


@pytest.fixture
def claim(alice: Tenant) -> Claim:
    submitted(alice)
    return claimed()


def test_it_works(claim: Claim) -> None:
    write = Outage(claim)
    assert settle(claim, write)
    assert write.tries == 1
    assert Task.objects.get().status == Status.COMPLETED


def test_an_answer_waits_for_the_database(claim: Claim) -> None:
    write = Outage(claim, OperationalError("down"), InterfaceError("closed"), OperationalError("starting up"))
    assert settle(claim, write)
    assert write.tries == 4
    task = Task.objects.get()
    assert (task.status, task.attempts, task.result) == (Status.COMPLETED, 1, {"content": "It."})


def test_an_answer_that_was_written_before_the_connection_broke_is_not_written_again(claim: Claim) -> None:
    class Broken(Outage):
        def __call__(self) -> bool:
            super().__call__()
            raise OperationalError("the connection is lost")

    write = Broken(claim)
    assert not settle(claim, write)
    assert write.tries == 1
    assert Task.objects.get().status == Status.COMPLETED


def test_a_task_that_another_took_meanwhile_is_let_go(claim: Claim, alice: Tenant) -> None:
    class Slow(Outage):
        def __call__(self) -> bool:
            lifecycle.cancel(alice.user.pk, claim.id)
            return super().__call__()

    assert not settle(claim, Slow(claim, OperationalError("down")))
    assert Task.objects.get().status == Status.CANCELLED


def test_an_answer_that_the_database_refuses_is_not_tried_again(claim: Claim) -> None:
    write = Outage(claim, DataError("unsupported Unicode escape sequence"))
    with pytest.raises(DataError):
        settle(claim, write)
    assert write.tries == 1
