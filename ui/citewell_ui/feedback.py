"""What readers say of answers, kept as cases of the eval suite (`citewell_eval.cases`), one JSON line each.

| what was said | answerable | papers | facts |
|---|---|---|---|
| an answer is good | true | those cited | that one of its quotes is cited again |
| a refusal is good | false | the nearest ones | none |
| anything is bad, or no thumb | true | none | none |

In the last case only a person can tell what would have been right, and fill it in; such cases are tagged `to_review`.
Beside the fields of a case there are `rating`, `comment`, `time` and `answer`.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from citewell import Answer
from citewell.errors import CollectionError
from filelock import FileLock

Rating = Literal["up", "down"]

_LONGEST_COMMENT = 4_000


class Feedback:
    """A file to which cases are appended; threads and processes may do so at once.

    Args:
        path: the file, made with the first case.
        limit: how many bytes it may grow to.
        now: returns the time.
    """

    def __init__(
        self,
        path: Path,
        limit: int = 50_000_000,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._limit, self._now = path, limit, now

    def add(self, answer: Answer, rating: Rating | None, comment: str = "") -> None:
        """Keeps what was said of an answer; it is on the disk on return. A long comment is cut.

        Raises:
            CollectionError: the file is full or cannot be written; it is as it was.
        """
        # Escaped as ASCII, no text can hold what a reader of the file takes for the end of a line.
        line = json.dumps(_case(answer, rating, comment, self._now())).encode() + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock"):
                self._append(line)
        except OSError as error:
            raise CollectionError(
                f"Cannot keep feedback in {self._path}: {error.strerror}. Free space there or make it writable."
            ) from error

    def _append(self, line: bytes) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)  # others have no business in it
        with os.fdopen(handle, "r+b", buffering=0) as file:
            end, unfinished = _end(file)
            line = b"\n" + line if unfinished else line
            if end + len(line) > self._limit:
                raise CollectionError(
                    f"The feedback in {self._path} has reached {self._limit:,} bytes. Move the file away."
                )
            try:
                file.truncate(end)
                file.seek(end)
                _write_all(file, line)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise


def _case(answer: Answer, rating: Rating | None, comment: str, now: datetime) -> dict[str, object]:
    good, refused = rating == "up", answer.abstention
    titles = [result.title for result in refused.nearest] if refused else [c.title for c in answer.citations]
    quotes = list(dict.fromkeys(citation.quote for citation in answer.citations))
    return {
        "id": f"feedback-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        "question": answer.standalone_question,
        "kind": "feedback",
        "answerable": not (good and refused),
        "papers": list(dict.fromkeys(titles)) if good else [],
        "facts": [quotes] if good and quotes else [],
        **({"why": refused.message} if good and refused else {}),
        "tags": ["feedback"] if good else ["feedback", "to_review"],
        "rating": rating,
        "comment": comment[:_LONGEST_COMMENT],
        "time": now.isoformat(timespec="seconds"),
        "answer": answer.to_dict(),
    }


def _end(file: BinaryIO) -> tuple[int, bool]:
    """Returns where to go on writing, and whether the line before it lacks its end.

    What a crash left of a line is given up; a whole one without its end was edited by hand.
    """
    size = file.seek(0, os.SEEK_END)
    start, tail = size, b""
    while start > 0 and b"\n" not in tail:
        step = min(start, 65_536)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    last = tail[tail.rfind(b"\n") + 1 :]
    try:
        json.loads(last)
    except ValueError:
        return size - len(last), False
    return size, True


def _write_all(file: BinaryIO, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[file.write(rest) :]
