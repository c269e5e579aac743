"""Lets one caller in again and again, in this process, and prints what it took: `manage.py shell -c "…; measure()"`."""

from __future__ import annotations

import json
import time

from django.contrib.auth.models import User
from django.test import RequestFactory

from processing.access import keys
from processing.api.tasks import TaskViewSet

_TIMES = 3000
_WARM_UP = 200


def measure() -> None:
    """Seconds for authentication and for the limits, request by request, as a JSON object of two lists."""
    _, secret = keys.mint(User.objects.get_or_create(username="bench")[0], "bench")
    django_request = RequestFactory().get("/api/v2/tasks", HTTP_AUTHORIZATION=f"Bearer {secret}")
    authentication, limits = [], []
    for _ in range(_WARM_UP + _TIMES):
        view = TaskViewSet(action_map={"get": "list"}, headers={})
        request = view.initialize_request(django_request)
        begun = time.perf_counter()
        view.perform_authentication(request)
        known = time.perf_counter()
        view.check_throttles(request)
        limits.append(time.perf_counter() - known)
        authentication.append(known - begun)
    print(json.dumps({"authentication": authentication[_WARM_UP:], "limits": limits[_WARM_UP:]}))
