"""The service's settings with gates on the way of a submission, at which a test may stop the web process."""

from apiv2project.settings import *  # noqa: F403

MIDDLEWARE.insert(0, "tests.stack.gates.GateMiddleware")  # noqa: F405
STORAGES["default"]["BACKEND"] = "tests.stack.gates.GatedStorage"  # noqa: F405
