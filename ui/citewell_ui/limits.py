"""How much one person may ask of a server: sizes, and how often."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Scope

MAX_BODY_BYTES = (
    256 * 2**10
)  # of a request that is no upload; the longest question is a few thousand characters
MAX_UPLOAD_BYTES = 200 * 2**20  # of one uploaded file; a listing page is 1 MB, a year of arXiv 150 MB
MAX_QUEUED = 200  # events that wait for their turn; more are told to come again
AT_ONCE = 8  # questions that are answered at the same time
QUESTIONS_A_MINUTE = 30
EVENTS_A_MINUTE = 600  # clicks, keys and calls of one session, questions among them
PASSWORDS_A_MINUTE = 10  # wrong ones, from one address
_MOST_KEYS = 10_000


class Limiter:
    """A token bucket for each key: `per_minute` may be taken a minute, and as many at once after a pause.

    Args:
        per_minute: how many tokens a bucket holds, and how many flow into it in a minute.
        clock: seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock, self._lock = per_minute, clock, threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        with self._lock:
            tokens = self._refilled(key)
            wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / self._most
            self._buckets[key] = (tokens - (wait == 0.0), self._clock())
            self._buckets.move_to_end(key)
            # Whoever was away longest has a full bucket, or will not notice.
            while len(self._buckets) > _MOST_KEYS:
                self._buckets.popitem(last=False)
            return wait

    def wait(self, key: str) -> float:
        """Returns the seconds until there is a token, without taking it."""
        with self._lock:
            return max(0.0, (1 - self._refilled(key)) * 60 / self._most)

    def _refilled(self, key: str) -> float:
        tokens, since = self._buckets.get(key, (float(self._most), self._clock()))
        return min(self._most, tokens + (self._clock() - since) * self._most / 60)


def of_caller(scope: Scope) -> Scope:
    """Returns a request as of the caller that the proxy in front names: the last address of X-Forwarded-For.

    The addresses before it are what the caller itself sent. Without an address the request is the proxy's own.
    """
    named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    address = named[-1].decode("latin-1").rpartition(",")[2].strip() if named else ""
    try:
        return {**scope, "client": (str(ipaddress.ip_address(address)), 0)}
    except ValueError:
        return scope
