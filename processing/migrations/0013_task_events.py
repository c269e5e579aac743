"""On PostgreSQL, what is told of tasks while they run (`processing.tasks.journal`).

The table is unlogged: what it holds may be lost in a crash, and nothing waits for a disk. Beside SQLite it is a file.
"""

from django.db import migrations

UP = """
CREATE UNLOGGED TABLE processing_taskevent (
    seq bigint NOT NULL,
    number bigint NOT NULL,
    at double precision NOT NULL,
    name text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (seq, number)
);
"""
DOWN = "DROP TABLE processing_taskevent;"


def on_postgresql(statements):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statements, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("processing", "0012_webhooks")]
    operations = [migrations.RunPython(on_postgresql(UP), on_postgresql(DOWN))]
