"""What a request to a service can come to, other than its answer."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Returns a text that others wrote as one line without control characters, fit for a message."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class Trouble(Exception):
    """An answer that cannot be used this time; the same request may well succeed later.

    `wait` is how many seconds the service asked to be left alone, None where it did not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(one_line(reason))
        self.wait = wait


class Failed(Exception):
    """A request given up: the text is the reason. `permanent` tells that repeating it would not help."""

    def __init__(self, reason: str, permanent: bool) -> None:
        super().__init__(one_line(reason))
        self.permanent = permanent


class Absent(Failed):
    """The service does not have what was asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, permanent=True)
