"""The service's settings with workers that end after a few tasks and are followed by others."""

from apiv2project.settings import *  # noqa: F403

Q_CLUSTER["recycle"] = 3  # noqa: F405
