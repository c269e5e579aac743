"""Rate limits at the door: every request that a view of the API takes counts once, and the reply says how it stands.

The throttle counts whoever was let in, for all views that do not set `throttle_classes` themselves. Who is turned away
by authentication or permissions never reaches it and is counted where that becomes an answer (`even_if_refused`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import Error
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from processing.access.models import ApiKey
from processing.access.rates import allowances, counting, leases
from processing.access.rates.allowances import Caller
from processing.access.rates.contract import Counted, Verdict
from processing.api.addresses import client_address
from processing.errors import RateExceeded
from processing.runtime.configuration import current

if TYPE_CHECKING:  # whose default this throttle is
    from rest_framework.views import APIView

_COUNTED = "api_v2.rates"  # of the request's META
_IPV6_SITE = 64  # bits: what one customer of a provider has at least
_SPANS = {60: "minute", 3600: "hour", 86_400: "day"}
_CALLS, _READS, _UPLOADS, _FILES = "requests", "status reads", "uploads", "files in batches"


@dataclass(frozen=True, slots=True)
class _Admission:
    """Who was let in (None: a stranger), and what was counted for it."""

    caller: Caller | None
    verdict: Verdict


class RateThrottle(BaseThrottle):
    """Counts a request that authentication and permissions have let in."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Raises `RateExceeded` (`rate_limited`, `uploads_limited`), whose reply says more than DRF's own."""
        _count(request, view, _caller(request))
        uploads = getattr(view, "uploads", None)
        if uploads is not None and uploads.received is not None:  # read already, to find the CSRF token in it
            count_upload(request, view)
        return True


def count_upload(request: HttpRequest | Request, view: APIView) -> None:
    """Count that a request carries a file, as soon as the file begins and before it is read.

    Does nothing before the request is let in: the throttle counts it then. Raises `RateExceeded` (`uploads_limited`),
    and then the request counts for nothing.
    """
    admission: _Admission | None = request.META.get(_COUNTED)
    if admission is None or admission.caller is None:
        return
    verdict = counting.take(allowances.uploads(admission.caller, current().parameters.rate_limits))
    _tell(view, admission, verdict)
    if not verdict.admitted:
        counting.give_back(admission.verdict)
        raise _exceeded(verdict, _UPLOADS, "uploads_limited")


def count_batch(request: HttpRequest | Request, view: APIView, files: int) -> None:
    """Count the files of a batch, all of them or none. Raises `RateExceeded` (`batch_files_limited`), as above."""
    admission: _Admission | None = request.META.get(_COUNTED)
    if admission is None or admission.caller is None:
        return
    windows = allowances.batch_files(admission.caller, current().parameters.rate_limits, files)
    verdict = counting.take(windows)
    _tell(view, admission, verdict)
    if not verdict.admitted:
        counting.give_back(admission.verdict)
        raise _exceeded(verdict, _FILES, "batch_files_limited")


def even_if_refused(exception: Exception, request: Request, view: APIView) -> Exception:
    """Count a request that comes to nothing before the throttle sees it. Returns what it is to be answered with."""
    if _COUNTED in request.META or not view.throttle_classes or isinstance(exception, (RateExceeded, Error)):
        return exception
    known = "_user" in request.__dict__  # else authentication itself has failed, and must not be tried again
    with contextlib.suppress(Error):  # a database that is away is no reason for another answer
        try:
            _count(request, view, _caller(request) if known else None)
        except RateExceeded as exceeded:
            return exceeded
    return exception


def _count(request: Request, view: APIView, caller: Caller | None) -> None:
    limits = current().parameters.rate_limits
    is_read = caller is not None and getattr(view, "action", None) in getattr(view, "polled", ())
    if caller is None:
        verdict = leases.take(allowances.of_address(_site(client_address(request)), limits))
    elif is_read:
        verdict = leases.take(allowances.status_reads(caller, limits))
    else:
        verdict = counting.take(allowances.calls(caller, limits))
    admission = _Admission(caller, verdict)
    request.META[_COUNTED] = admission
    _tell(view, admission)
    if not verdict.admitted:
        raise _exceeded(verdict, _READS if is_read else _CALLS, "rate_limited")


def _caller(request: Request) -> Caller | None:
    if not isinstance(request.user, User):
        return None
    return Caller(request.user.pk, request.auth.pk if isinstance(request.auth, ApiKey) else None)


def _site(address: str) -> str:
    """An IPv4 address; of IPv6 the network, of which one caller has all the addresses."""
    if ":" not in address:
        return address
    found = ipaddress.IPv6Address(address)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> (128 - _IPV6_SITE) << (128 - _IPV6_SITE), _IPV6_SITE)))


def _tell(view: APIView, admission: _Admission, more: Verdict | None = None) -> None:
    """Put how it stands on the reply, whatever the reply will be."""
    verdicts = (admission.verdict, more) if more else (admission.verdict,)
    view.headers.update(_headers(verdicts))


def _headers(verdicts: tuple[Verdict, ...]) -> Mapping[str, str]:
    """Of all windows the policies, and of the tightest one how it stands."""
    counted = [each for verdict in verdicts for each in verdict.counted]
    violated = [each for verdict in verdicts for each in verdict.violated]
    # With as little left in two windows, the one that is renewed later.
    tightest = min(violated or counted, key=lambda each: (each.remaining, -each.ends_at))
    window = tightest.window
    return {
        "X-RateLimit-Limit": str(window.quota),
        "X-RateLimit-Remaining": str(tightest.remaining),
        "X-RateLimit-Reset": str(tightest.ends_at),
        "X-RateLimit-Window": str(window.seconds),
        "RateLimit-Policy": ",".join(map(_policy, counted)),
        "RateLimit": f'"{window.policy}";r={tightest.remaining};t={_seconds_to(tightest, verdicts[-1])}',
    }


def _policy(counted: Counted) -> str:
    return f'"{counted.window.policy}";q={counted.window.quota};w={counted.window.seconds}'


def _seconds_to(counted: Counted, verdict: Verdict) -> int:
    """Until the window begins anew, by the clock that it was counted by."""
    return max(1, math.ceil(counted.ends_at - verdict.now))


def _exceeded(verdict: Verdict, what: str, code: str) -> RateExceeded:
    violated = verdict.violated or verdict.counted
    last = max(violated, key=lambda each: each.ends_at)
    wait = _seconds_to(last, verdict)
    return RateExceeded(
        f"Too many {what}: {last.window.quota} per {_SPANS[last.window.seconds]} are allowed. "
        f"Come back in {wait} {'second' if wait == 1 else 'seconds'}.",
        code,
        policies=[each.window.policy for each in violated],
        retry_after=wait,
    )
