"""A format that knows passwords, for the servers of tests."""

from tests.documents.mocks import Locked

FORMAT = Locked()
