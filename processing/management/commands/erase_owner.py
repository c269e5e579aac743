"""`manage.py erase_owner`: all that is one user's goes for good."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.access import audit
from processing.errors import InvalidInput, StorageUnavailable
from processing.operations import erasure


class Command(BaseCommand):
    help = "Erase a user's tasks, answers and documents, and the user with all keys. There is no way back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user's name")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--keep-user", action="store_true", help="keep the user, their keys and their sessions")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        if not options["yes"]:
            self._ask(user, keep_user=options["keep_user"])
        try:
            erased = erasure.erase_owner(user, audit.by_command(), keep_user=options["keep_user"])
        except InvalidInput as error:
            raise CommandError(f"{error.detail} Make another first, or say --keep-user.") from None
        except StorageUnavailable as error:
            raise CommandError(f"{error.detail} Nothing was erased.") from error
        self.stdout.write(f"Erased: {_words(erased) or 'nothing, there was nothing'}.")

    def _ask(self, user: User, *, keep_user: bool) -> None:
        name = user.get_username()
        self.stdout.write(f"{name} has {_words(erasure.holdings(user))}.")
        self.stdout.write(f"All of it will be gone for good{'' if keep_user else ', and the user with all keys'}.")
        try:
            answer = input("Type the user's name to go on: ")
        except EOFError:
            answer = ""
        if answer != name:
            raise CommandError("Nothing was erased. Say --yes where nobody can be asked.")


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
