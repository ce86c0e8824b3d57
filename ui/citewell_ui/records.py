"""What is kept of conversations across restarts, and what readers said of answers: files below the host's home."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from citewell import Answer
from citewell.cache import answer_from_dict
from citewell.durable import append_line, make_folder, put_in_place, sync_file, sync_folder

_ID = re.compile(r"[0-9a-f]{32}")
_OWNER = re.compile(r"[0-9a-f]{64}")
_LONGEST_TITLE = 120
_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation in a list of them: its id, its name, and when it was last continued."""

    id: str
    title: str
    updated: datetime


class Records:
    """The conversations of everybody, each of which only its owner can see, and the feedback.

    Args:
        home: the folder; `conversations/OWNER/ID.json` and `feedback.jsonl` are made in it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()

    def save(self, owner: str, conversation: str, answers: Sequence[Answer]) -> None:
        """Keeps a conversation; its name stays what it was."""
        with self._lock:
            before = self._read(owner, conversation) or {}
            title = before.get("title") or answers[0].question
            self._write(owner, conversation, title, [answer.to_dict() for answer in answers])

    def load(self, owner: str, conversation: str) -> tuple[Answer, ...]:
        """Returns the answers of a conversation; none where the owner has no such one."""
        kept = self._read(owner, conversation)
        return tuple(map(answer_from_dict, kept["answers"])) if kept else ()

    def rename(self, owner: str, conversation: str, title: str) -> None:
        """Names a conversation; a name of blanks changes nothing."""
        with self._lock:
            kept, title = self._read(owner, conversation), " ".join(title.split())
            if kept and title:
                self._write(owner, conversation, title, kept["answers"])

    def delete(self, owner: str, conversation: str) -> None:
        """Deletes a conversation, if there is one."""
        with self._lock, suppress(FileNotFoundError):
            if (path := self._path(owner, conversation)) is not None:
                path.unlink()
                sync_folder(path.parent)

    def list(self, owner: str) -> list[Kept]:
        """Returns the conversations of an owner, the one continued last first."""
        if not _OWNER.fullmatch(owner):
            return []
        files = (self._home / "conversations" / owner).glob("*.json")
        dated = sorted(((path.stat().st_mtime, path) for path in files), reverse=True)[:_MOST_LISTED]
        found = []
        for changed, path in dated:
            if (kept := self._read(owner, path.stem)) is not None:
                found.append(Kept(path.stem, kept["title"], datetime.fromtimestamp(changed, UTC)))
        return found

    def judge(self, answer: Answer, thumb: str, comment: str = "") -> None:
        """Notes what a reader said of an answer, as a case of `citewell_eval.cases` with more fields.

        The papers and quotes of an answer that was liked are what a right one has to have. What was wrong with another
        a person has to say: the case only holds that there is an answer.
        """
        liked = thumb == "up"
        case = {
            "id": f"feedback-{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
            "question": answer.standalone_question,
            "kind": "feedback",
            "answerable": not (liked and answer.abstained),
            "papers": list(dict.fromkeys(c.title for c in answer.citations)) if liked else [],
            "facts": [[citation.quote] for citation in answer.citations] if liked else [],
            "tags": [thumb] if thumb else [],
            "comment": comment,
            "answer": answer.to_dict(),
        }
        line = json.dumps(case)  # escaped, for some characters end a line for some readers
        with self._lock:
            append_line(self._home / "feedback.jsonl", line)

    # --- files -------------------------------------------------------------------------------------------

    def _path(self, owner: str, conversation: str) -> Path | None:
        if not _OWNER.fullmatch(owner) or not _ID.fullmatch(conversation):
            return None
        return self._home / "conversations" / owner / f"{conversation}.json"

    def _read(self, owner: str, conversation: str) -> dict[str, Any] | None:
        """Returns a conversation; one that is missing or damaged counts as none."""
        path = self._path(owner, conversation)
        if path is None:
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return kept if isinstance(kept["title"], str) and isinstance(kept["answers"], list) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, owner: str, conversation: str, title: str, answers: Sequence[object]) -> None:
        """Writes beside the file, then swaps."""
        path = self._path(owner, conversation)
        if path is None:
            return
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"title": title[:_LONGEST_TITLE], "answers": list(answers)}, file, ensure_ascii=False)
            sync_file(file)
        put_in_place(Path(name), path)
