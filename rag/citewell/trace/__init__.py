"""Traces: one JSON document with every step of an answer, and all it takes to compute the answer again.

`Trace` records while a question is answered. `read_trace` reads what it wrote, and `replay` makes of it a language
model that gives the recorded replies again, in order. docs/trace.md describes the format.
"""

from citewell.trace.document import FORMAT, check_writable
from citewell.trace.recording import Recorder, Trace
from citewell.trace.replaying import Recorded, ReplayError, ReplayModel, read_trace, replay

__all__ = [
    "FORMAT",
    "Recorded",
    "Recorder",
    "ReplayError",
    "ReplayModel",
    "Trace",
    "check_writable",
    "read_trace",
    "replay",
]
