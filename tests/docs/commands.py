"""What of the documentation's commands other tests run, what none runs and why, and which blocks are no commands. All
others `tests/stack/test_docs.py` runs.

A block is named by its page and the beginning of its first line, a whole page by its path alone.
"""

from __future__ import annotations

Named = tuple[str, str]

# The test that runs the block.
RUN_BY: dict[Named, str] = {
    ("README.md", "KEY=$("): "tests/stack/test_readme.py::test_it_works",
    ("README.md", 'curl -H "Authorization: Bearer $KEY" http'): "tests/stack/test_readme.py::test_it_works",
    ("README.md", "make service "): "tests/stack/test_readme.py::test_the_parts_run_apart",
    ("docs/access.md", "curl -s -X POST http://localhost:3000/api/v1/auths/signin"): (
        "tests/stack/test_access.py::test_the_pages_calls"
    ),
    ("docs/access.md", "curl -s -X POST http://localhost:3000/api/v1/auths/api_key"): (
        "tests/stack/test_access.py::test_the_pages_calls"
    ),
    ("docs/access.md", ".venv/bin/python manage.py create_api_key"): (
        "tests/stack/test_access.py::test_the_pages_commands"
    ),
    ("docs/budgets.md", ""): "tests/stack/test_budgets.py::test_the_commands_of_the_page",
    ("docs/clients/README.md", "curl -T "): "tests/stack/test_drop_in.py::test_the_pages_calls",
    ("docs/clients/README.md", 'curl -H "X-Api-Key'): "tests/stack/test_drop_in.py::test_the_pages_calls",
    # Without installing it, which takes a registry.
    ("docs/clients/README.md", "pip install "): "tests/stack/test_drop_in.py::test_our_own_client",
    ("docs/configuration.md", ""): "tests/stack/test_configuration_docs.py::test_it_works",
    ("docs/delivery.md", ".venv/bin/python -m apiv2project.streams"): "tests/stack/test_events.py",
    ("docs/local-llm.md", ".venv/bin/python manage.py local_llm install --path"): (
        "tests/stack/test_model_docs.py::test_a_model_is_installed_from_a_file"
    ),
    ("docs/operations/backup.md", ""): "tests/stack/test_operations_docs.py::test_backup_and_restore",
    ("docs/operations/databases.md", ""): "tests/stack/test_operations_docs.py::test_databases",
    # As far as they change neither the host nor need Docker or systemd: `NOT_HERE` there says which do.
    ("docs/operations/deploying.md", ""): "tests/deploy/test_docs.py::test_files_are_put_where_the_pages_put_them",
    ("docs/operations/health.md", ""): "tests/stack/test_operations_docs.py::test_health",
    ("docs/operations/logs.md", ""): (
        "tests/deploy/test_docs.py::test_logs_are_found_and_their_rotation_is_understood"
    ),
    ("docs/operations/proxies.md", ""): "tests/deploy/test_docs.py::test_files_are_put_where_the_pages_put_them",
    ("docs/operations/storage.md", ""): "tests/storage/test_docs.py",
    ("docs/operations/tuning.md", ""): "tests/deploy/test_docs.py::test_figures_are_read",
    ("docs/operations/upgrading.md", ""): "tests/deploy/test_docs.py::test_hosts_are_prepared",
    ("docs/models.md", ".venv/bin/python manage.py import_models"): "tests/stack/test_model_docs.py::test_it_works",
}

# Why no test runs the block.
NOT_RUN: dict[Named, str] = {
    ("README.md", "git clone "): "It fetches and installs from the network. The start: tests/stack/test_starting.py.",
    ("README.md", "apt install "): "It changes the host, as root.",
    ("README.md", "make test "): "The tests would run within a test.",
    ("docs/formats.md", ".venv/bin/python -m evaluation.tables "): "It needs a corpus, which is no part of this.",
    ("docs/local-llm.md", ".venv/bin/python -m pip install "): "It installs and fetches from the network.",
}

# Indented, and no command: variables, and what commands print.
NO_COMMANDS: frozenset[Named] = frozenset(
    {
        ("docs/admin.md", "export KEY="),
        ("README.md", "Asking docs/samples/invoice.pdf"),
        ("README.md", "OPENAI_API_BASE_URL="),
        ("docs/access.md", "API_KEY_ALLOWED_ENDPOINTS="),
        ("docs/operations/metrics.md", "scrape_configs:"),
        ("docs/clients/README.md", "CONTENT_EXTRACTION_ENGINE="),
    }
)
