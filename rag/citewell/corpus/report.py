"""Results of one file as entries and rejections, with the repetitive rejections counted, not listed."""

from __future__ import annotations

from collections.abc import Iterator

from citewell.types import Entry, Rejection

from .record import Fault, Found


class FileReport:
    """Turns what was found in a file into what the user is told about it.

    Records that lack a field by name are held back until a first paper is found: if none is, the whole
    file is of another kind (queries, relevance judgements) and deserves one rejection, not thousands.
    """

    def __init__(self, file: str, max_rejections: int) -> None:
        self._file = file
        self._max_rejections = max_rejections
        self._papers = 0
        self._held: list[Fault] = []
        self._first_misfit = ""
        self._misfits = 0
        self._rejections = 0

    def of(self, result: Found | Fault) -> Iterator[Entry | Rejection]:
        """What to report now; nothing while a rejection is held back or counted."""
        if isinstance(result, Found):
            self._papers += 1
            yield from self._release()
            yield Entry(result.paper, self._file, result.line)
        elif result.misfit and not self._papers:
            self._first_misfit = self._first_misfit or result.reason
            self._misfits += 1
            if len(self._held) < self._max_rejections:
                self._held.append(result)
        else:
            yield from self._reject(result)

    def end(self, *, broken_off: bool = False) -> Iterator[Rejection]:
        """What remains to be said about the file, other than why it broke off, if it did."""
        if not (self._papers or self._misfits or self._rejections or broken_off):
            yield Rejection(self._file, None, "no records in it")
        elif self._misfits > 1:
            reason = f"no record is a paper; {self._misfits:,} are alike: {self._first_misfit}"
            yield Rejection(self._file, None, reason)
        else:
            yield from self._release()
        more = self._rejections - self._max_rejections
        if more > 0:
            yield Rejection(self._file, None, f"{more:,} more records rejected")

    def _release(self) -> Iterator[Rejection]:
        held, unheld = self._held, self._misfits - len(self._held)
        self._held, self._misfits = [], 0
        for fault in held:
            yield from self._reject(fault)
        self._rejections += unheld

    def _reject(self, fault: Fault) -> Iterator[Rejection]:
        self._rejections += 1
        if self._rejections <= self._max_rejections:
            yield Rejection(self._file, fault.line, fault.reason)
