"""Migrations let the code of the release before go on serving (docs/operations/upgrading.md): they widen the schema,
and narrow it only where they say that nothing uses what they take away."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

LAST_BEFORE_THE_RULE = {"processing": 15, "modelsregistry": 4}
NARROWING = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def faults(operations: list[Operation], *, contracts: bool = False) -> list[str]:
    """What of it old code would stumble over. `contracts` is what a migration says of itself that takes away what the
    release before does not use any more: `contracts = True` in its class."""
    found = []
    for each in operations:
        if isinstance(each, migrations.SeparateDatabaseAndState):
            found += faults(list(each.database_operations), contracts=contracts)
        elif isinstance(each, NARROWING) and not contracts:
            found.append(each.describe())
        elif isinstance(each, migrations.AddField) and not _is_left_out_safely(each.field):
            found.append(f"{each.describe()}: give it null=True or a db_default")
    return found


def _is_left_out_safely(field: models.Field[Any, Any]) -> bool:
    """Whether a row can be written by who does not know the column."""
    return field.many_to_many is True or field.null or field.db_default is not models.NOT_PROVIDED


def test_it_works() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for (app, name), migration in loader.disk_migrations.items():
        number = name[:4]
        if app in LAST_BEFORE_THE_RULE and number.isdigit() and int(number) > LAST_BEFORE_THE_RULE[app]:
            wrong = faults(migration.operations, contracts=getattr(migration, "contracts", False))
            assert wrong == [], f"{app}.{name}"


@pytest.mark.parametrize(
    ("operation", "is_wrong"),
    [
        (migrations.AddField("task", "more", models.IntegerField(default=0)), True),
        (migrations.AddField("task", "more", models.IntegerField(null=True)), False),
        (migrations.AddField("task", "more", models.IntegerField(db_default=0)), False),
        (migrations.AddField("task", "more", models.ManyToManyField("auth.User")), False),
        (migrations.RemoveField("task", "more"), True),
        (migrations.CreateModel("more", [("id", models.AutoField(primary_key=True))]), False),
        (migrations.SeparateDatabaseAndState([migrations.DeleteModel("task")], []), True),
    ],
)
def test_what_old_code_stumbles_over_is_named(operation: Operation, is_wrong: bool) -> None:
    assert bool(faults([operation])) is is_wrong


def test_what_nothing_uses_any_more_may_go_in_time() -> None:
    assert faults([migrations.RemoveField("task", "more")], contracts=True) == []
