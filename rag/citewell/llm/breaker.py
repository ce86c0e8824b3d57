"""A circuit breaker: a server that keeps failing is left alone for a while, and callers are told at once.

The pattern is Michael Nygard's (Release It!, 2nd edition, section 5.2): closed, then open after some failures
in a row, then half-open, when one call tries whether the server is back.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Counts the failures of one server; safe to use from several threads.

    A call asks `refusal` first. Where that is None it must report how it went: `succeeded`, `failed` or
    `abandoned`.

    Args:
        limit: So many failures in a row open the breaker.
        cooldown: It stays open for so many seconds.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, limit: int = 5, cooldown: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._last = ""
        self._open_until: float | None = None
        self._probing = False

    def refusal(self) -> str | None:
        """Return why no call may be made now, in a sentence for a person, or None when one may."""
        with self._lock:
            if self._open_until is None:
                return None
            left = self._open_until - self._clock()
            if left > 0:
                return f"It is left alone for another {math.ceil(left)} s. {self._history()}"
            if self._probing:
                return f"One request is trying whether it is back. {self._history()}"
            self._probing = True
            return None

    def succeeded(self) -> None:
        """Record a call that the server served, well or not: it is there."""
        with self._lock:
            self._failures = 0
            self._open_until = None
            self._probing = False

    def failed(self, reason: str) -> None:
        """Record a call that the server did not serve, and why."""
        with self._lock:
            self._failures += 1
            self._last = reason
            self._probing = False
            if self._failures >= self._limit:
                self._open_until = self._clock() + self._cooldown

    def abandoned(self) -> None:
        """Record a call that was given up before anything was known; the next one may try in its place."""
        with self._lock:
            self._probing = False

    def _history(self) -> str:
        return f"It failed {self._failures} times in a row, the last time like this: {self._last}"
