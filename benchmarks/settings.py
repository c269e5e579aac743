"""The service's settings, and two more routes: what to compare the status reads with."""

from apiv2project.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
