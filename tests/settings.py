"""The service's settings with a data directory that goes when the tests end, deaf to the user's environment.

`TEST_DATABASE_URL=postgres://… pytest …` runs the tests on another database than SQLite.
"""

import atexit
import os
import shutil
import tempfile

DIRECTORY = tempfile.mkdtemp(prefix="apiv2-tests-")
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)

_OTHERS = ("DATABASE_URL", "REDIS_URL", "DEBUG", "HOST", "PORT", "ALLOWED_HOSTS", "NUM_PROXIES", "ENABLE_API_KEY")
for _name in list(os.environ):
    if _name.startswith(("API_V2_", "API_KEY_", "OPENAI_", "STORAGE_", "S3_", "GCS_", "AZURE_")) or _name in _OTHERS:
        del os.environ[_name]
os.environ["API_V2_DATA_DIR"] = DIRECTORY
os.environ["API_V2_ENV_FILE"] = os.devnull
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

from apiv2project.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # In memory, SQLite's default for tests, threads fail with "table is locked" where in a file they wait.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(DIRECTORY, "test.sqlite3")}  # noqa: F405, PTH118
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405
