"""The service's settings on a host whose clock is wrong by TEST_CLOCK_OFF seconds: all that Python asks is shifted."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

from apiv2project.settings import *  # noqa: F403

_travel = time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(os.environ["TEST_CLOCK_OFF"])), tick=True)
_travel.start()
