"""PostgreSQL tells waiting workers of every task that comes or ends, whoever wrote it (`processing.queue.wakeup`).

A trigger, so that no way of submitting, releasing or reviving a task can forget it. A claim tells nobody: it leaves
nothing more to do. SQLite needs none of this: its workers see every commit.
"""

from django.db import migrations

UP = """
CREATE FUNCTION api_v2_tell_of_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('api_v2_tasks', '');
    RETURN NULL;
END $$;
CREATE TRIGGER api_v2_task_arrived AFTER INSERT ON processing_task FOR EACH ROW
    WHEN (NEW.status = 'queued') EXECUTE FUNCTION api_v2_tell_of_task();
CREATE TRIGGER api_v2_task_moved AFTER UPDATE OF status ON processing_task FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status <> 'processing') EXECUTE FUNCTION api_v2_tell_of_task();
"""
DOWN = """
DROP TRIGGER api_v2_task_moved ON processing_task;
DROP TRIGGER api_v2_task_arrived ON processing_task;
DROP FUNCTION api_v2_tell_of_task();
"""


def on_postgresql(statements):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statements, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("processing", "0001_initial")]
    operations = [migrations.RunPython(on_postgresql(UP), on_postgresql(DOWN))]
