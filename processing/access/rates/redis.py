"""Counters in Redis, which runs one script at a time: all windows are counted by it, or none, at its own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processing.access.rates.contract import Counted, StoreUnavailableError, Verdict, Window, end_of

_PATIENCE = 0.5  # seconds for a connection, and for an answer
_PREFIX = "api_v2:rates:"

# The names of counters hold the end of their span, which only Redis knows: all of them are in one slot of a cluster.
_TAKE = """
local time = redis.call('TIME')
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or tonumber(time[1]) + tonumber(time[2]) / 1000000
local names, used, ends, admitted = {}, {}, {}, 1
for i = 1, #KEYS do
    local seconds, quota, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    ends[i] = (math.floor(now / seconds) + 1) * seconds
    names[i] = KEYS[i] .. ':' .. string.format('%d', ends[i])
    used[i] = tonumber(redis.call('GET', names[i]) or '0')
    if used[i] + cost > quota then admitted = 0 end
end
if admitted == 1 then
    for i = 1, #KEYS do
        used[i] = redis.call('INCRBY', names[i], ARGV[3 * i + 1])
        redis.call('EXPIRE', names[i], math.ceil(ends[i] - now) + 60)
    end
end
return {admitted, string.format('%.6f', now), used}
"""
# A counter that has expired meanwhile stays away.
_GIVE_BACK = """
for i = 1, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('DECRBY', KEYS[i], ARGV[i]) end
end
"""


class RedisStore:
    """The Redis at this URL; `redis-py` keeps the connections, and makes new ones after a fork."""

    def __init__(self, url: str) -> None:
        # Never asked twice: an answer that was lost may have counted already.
        self._redis = redis.Redis.from_url(
            url, socket_connect_timeout=_PATIENCE, socket_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0)
        )
        self._take = self._redis.register_script(_TAKE)
        self._give_back = self._redis.register_script(_GIVE_BACK)

    def take(self, windows: Sequence[Window], at: float | None = None) -> Verdict:
        """As `Store.take`."""
        numbers = [number for each in windows for number in (each.seconds, each.quota, each.cost)]
        try:
            answer: Any = self._take(
                keys=[_name(window) for window in windows], args=["" if at is None else repr(at), *numbers]
            )
        except redis.RedisError as error:
            raise StoreUnavailableError(str(error)) from error
        admitted, now, used = bool(answer[0]), float(answer[1]), answer[2]
        counted = (Counted(each, int(n), end_of(each.seconds, now)) for each, n in zip(windows, used, strict=True))
        return Verdict(tuple(counted), admitted, now, self)

    def give_back(self, verdict: Verdict) -> None:
        """As `Store.give_back`."""
        names = [f"{_name(each.window)}:{each.ends_at}" for each in verdict.counted]
        try:
            self._give_back(keys=names, args=[each.window.cost for each in verdict.counted])
        except redis.RedisError as error:
            raise StoreUnavailableError(str(error)) from error


def _name(window: Window) -> str:
    return f"{_PREFIX}{{rates}}:{window.subject}:{window.seconds}"
