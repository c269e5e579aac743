"""The database refuses to change or to delete an audit entry, whoever asks it by whichever way.

Triggers, because a check in Python is passed by the next `QuerySet.update`. Whoever owns the tables can take the
triggers away again: that is done on purpose, and not by mistake. SQLite drops them with the table when a later migration
rebuilds it, which altering a column does there: such a migration ends with `install` (a test fails without).
"""

from django.db import migrations, models

TABLE = "processing_auditentry"
UP = {
    "sqlite": [
        f"CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON {TABLE}"
        " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END",
        f"CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON {TABLE}"
        " BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END",
        # INSERT OR REPLACE deletes without asking the trigger above.
        f"CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON {TABLE}"
        f" WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)"
        " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION api_v2_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'audit entries are never changed or deleted'"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$",
        f"CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON {TABLE}"
        " FOR EACH ROW EXECUTE FUNCTION api_v2_refuse_audit_change()",
        f"CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON {TABLE}"
        " FOR EACH STATEMENT EXECUTE FUNCTION api_v2_refuse_audit_change()",
    ],
}
DOWN = {
    "sqlite": [
        "DROP TRIGGER audit_is_not_changed",
        "DROP TRIGGER audit_is_not_deleted",
        "DROP TRIGGER audit_is_not_replaced",
    ],
    "postgresql": [
        f"DROP TRIGGER audit_is_not_changed ON {TABLE}",
        f"DROP TRIGGER audit_is_not_emptied ON {TABLE}",
        "DROP FUNCTION api_v2_refuse_audit_change()",
    ],
}


def install(apps, schema_editor):
    for statement in UP[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    for statement in DOWN[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("processing", "0006_keys_and_sign_ins")]
    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["target_kind", "-id"], name="audit_of_kind"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["actor_name", "-id"], name="audit_of_actor"),
        ),
        migrations.RunPython(install, remove),
    ]
