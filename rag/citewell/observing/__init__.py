"""What operators see of Citewell: logs, metrics and traces; docs/operations.md says what stands in them.

`watch` goes around the events of a question and tells `Observer`s how it ended, once. Of the question's words nothing
is told, unless a setting asks for it. Without such settings nothing is imported and nothing is written, but for
records of Python's `logging` below "citewell", which no handler takes.
"""

from citewell.observing.questions import Observation, Observer, Outcome, watch
from citewell.observing.requests import clean_id, current_id, new_id, request
from citewell.observing.setup import begin

__all__ = [
    "Observation",
    "Observer",
    "Outcome",
    "begin",
    "clean_id",
    "current_id",
    "new_id",
    "request",
    "watch",
]
