"""The service's settings, and workers that answer at once."""

from apiv2project.settings import *  # noqa: F403
from apiv2project.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "benchmarks.no_work.NoWork"]
