"""The service's settings, and one more route: a plain viewset to compare the status reads with."""

from apiv2project.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
