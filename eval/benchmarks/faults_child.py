"""The process that faults.py kills, starves and confuses: obeys commands, and replies to each when it is done.

A reply holds `done`, what was acknowledged, or `error`. It also says `swapping` when an index has been built and is
about to be moved into its place.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import chromadb.api.rust  # noqa: F401 (before the process becomes a user who may not read it)
import citewell.gate  # noqa: F401
from citewell.assistant import Assistant
from citewell.errors import CitewellError
from citewell.indexing import vectors_of
from citewell.ingest import SilentProgress
from citewell.trace import Trace
from citewell.transfer.exporting import export
from citewell.vector_index import tolerated
from citewell_ui.records import Records
from faults_papers import RANKED, Numbered, WordVectors, entries, number_of, paper, version_of, word, words_of

_NOBODY = 65534
OWNER = "a" * 64  # of the conversations
_JUMP = 10 * 86_400  # seconds


class Worker:
    """Does what it is told with one collection.

    Args:
        data: the data directory.
        limit: the setting `chunk_index_limit`.
    """

    def __init__(self, data: Path, limit: int) -> None:
        self._data, self._limit = data, limit
        self._told: list[str] = []
        self._assistant: Assistant | None = None

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Returns what came of a command; whatever goes wrong is told and not raised."""
        self._told.clear()
        try:
            done = getattr(self, command.pop("do"))(**command)
        except Exception as error:  # the trial has to know of every kind
            told = isinstance(error, CitewellError)
            return {"error": str(error), "kind": type(error).__name__, "told": told}
        return {"done": done, "notices": list(self._told)}

    def close(self) -> None:
        """Closes the collection."""
        if self._assistant is not None:
            self._assistant.close()
            self._assistant = None

    @property
    def assistant(self) -> Assistant:
        """The assistant, opened when it is first needed."""
        if self._assistant is None:
            self._assistant = Assistant.open(
                self._data,
                embedder=WordVectors(),
                notify=self._told.append,
                ingest_batch=8,
                chunk_index_limit=self._limit,
            )
        return self._assistant

    # --- what changes it -----------------------------------------------------------------------------------

    def ingest(self, papers: Sequence[Numbered]) -> int:
        """Stores papers; returns how many there were."""
        return self.assistant.collection.ingest(entries(papers)).entries

    def remove(self, numbers: Sequence[int]) -> int:
        """Removes papers; returns how many there were."""
        return self.assistant.remove([f"p{number}" for number in numbers])

    def rebuild(self) -> None:
        """Makes the index again."""
        self.assistant.collection.rebuild()

    def swap(self, limit: int) -> None:
        """Has the index made again, because chunk vectors are wanted or no longer wanted."""
        self.close()
        self._limit = limit
        self.assistant.collection.ingest([])

    # --- what is written beside it -------------------------------------------------------------------------

    def write(self, kind: str, home: str, name: str) -> None:
        """Writes one of the files that people keep, or takes it away.

        Args:
            kind: `export`, `conversation`, `deletion` of a conversation, `feedback` or `trace`.
            home: the folder.
            name: of the file; 32 digits.
        """
        folder, records, settings = Path(home), Records(Path(home)), self.assistant.settings
        if kind == "export":
            export(settings, folder / f"{name}.citewell", SilentProgress(), overwrite=True)
        elif kind == "deletion":
            records.delete(OWNER, name)
        else:
            trace = Trace(settings)
            answer = self.assistant.ask(
                f"Where was the {word(random.randrange(100))} counted?", recorder=trace
            )
            if kind == "conversation":
                records.save(OWNER, name, (*records.load(OWNER, name), answer))
            elif kind == "feedback":
                records.judge(answer, "up")
            else:
                trace.write(folder / f"trace-{name}.json")

    # --- what happens to it --------------------------------------------------------------------------------

    def cap(self, size: int) -> None:
        """Lets no file grow beyond a size; -1 lifts that."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def become_nobody(self) -> None:
        """Goes on as a user who owns nothing, once everything that is imported late has been imported."""
        with Assistant.from_papers([paper(0, 0)], embedder=WordVectors()) as warm:
            warm.ask(f"At how many places was the {word(0)} counted?")
        if os.getuid() == 0:  # to whom nothing is read-only
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)

    def shift_clock(self, seed: int) -> None:
        """Lets the clock jump by hours and days, both ways, whenever it is read."""
        dice, real = random.Random(seed), time.time

        def jumping() -> float:
            return real() + dice.choice([1, -1]) * dice.choice([0, 3_600, dice.uniform(0, _JUMP)])

        time.time = jumping
        time.time_ns = lambda: int(jumping() * 1e9)
        for path in self._data.rglob("*"):  # and files were written in the past or the future
            os.utime(path, (jumping(), jumping()))

    # --- what is there -------------------------------------------------------------------------------------

    def look(self, papers: Sequence[Numbered], gone: Sequence[int]) -> list[tuple[int, str, str]]:
        """Returns for each paper whether it is found, shown and quoted right: `right`, `wrong`, `told` or `crash`.

        Args:
            papers: what is asked for.
            gone: numbers of papers that must not be found.
        """
        seen = [(number, *_judged(partial(self._answers, number, version))) for number, version in papers]
        return seen + [(number, *_judged(partial(self._nothing_of, number))) for number in gone]

    def _answers(self, number: int, version: int) -> str:
        best = self.assistant.search(words_of(number, version), k=1)[0].paper_id
        if best != f"p{number}":
            return f"{RANKED}: the words of p{number} find {best}"
        if version_of(self.assistant.show(best)) != version:
            return f"p{number} is not shown as it was given"
        answer = self.assistant.ask(f"At how many places was the {word(number)} counted?")
        made = {cited: self.assistant.show(cited) for cited in {c.paper_id for c in answer.citations}}
        for cited in answer.citations:
            known = version_of(made[cited.paper_id])
            text = "" if known is None else paper(number_of(cited.paper_id), known).abstract
            if text[cited.start : cited.end] != cited.quote or not cited.quote:
                return f"{cited.paper_id} does not say {cited.quote!r}"
        return ""

    def _nothing_of(self, number: int) -> str:
        found = self.assistant.search(word(number), k=20)
        return f"p{number} is still found" if f"p{number}" in [one.paper_id for one in found] else ""

    def check(self) -> str | None:
        """Returns the damage that `citewell doctor` names, or None."""
        return self.assistant.collection.library.check()

    def examine(self) -> dict[str, Any]:
        """Returns what the collection holds, and everything about it that is not sound."""
        library = self.assistant.collection.library
        unsound = [row[0] for row in library.connection().execute("PRAGMA integrity_check") if row[0] != "ok"]
        unsound += self._words_unsound()
        held = [(stored.paper.paper_id, version_of(stored.paper)) for stored in library.iterate()]
        if library.manifest().papers != len(held):
            unsound.append(f"the manifest counts {library.manifest().papers} papers of {len(held)}")
        if held:
            unsound += self._index_unsound()
        return {"held": held, "unsound": unsound}

    def _words_unsound(self) -> list[str]:
        connection = self.assistant.collection.library.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("INSERT INTO papers_fts(papers_fts, rank) VALUES ('integrity-check', 1)")
        except (CitewellError, ValueError) as error:
            return [f"the words: {error}"]
        finally:
            connection.execute("ROLLBACK")
        return []

    def _index_unsound(self) -> list[str]:
        collection = self.assistant.collection
        snapshot = collection.snapshot()
        if snapshot.generation is None:
            return ["there is no index"]
        rows = [stored.row for stored in collection.library.iterate()]
        vectors = vectors_of(collection.library, rows, snapshot.manifest)
        missed = snapshot.generation.missed(vectors)
        lost = [] if tolerated(len(missed), len(vectors)) else missed
        unsound = [f"the index does not find {paper_id}" for paper_id in lost]
        if not snapshot.generation.count() == len(vectors) == len(rows):
            unsound.append(
                f"{snapshot.generation.count()} indexed, {len(vectors)} embedded of {len(rows)} papers"
            )
        return unsound

    def tidy(self) -> list[str]:
        """Returns what is left on disk that should not be, after a write."""
        self.assistant.collection.ingest([])
        self.close()
        known = {"library.db", "write.lock", "vectors", "answers.db"}
        left = [path.name for path in self._data.iterdir() if path.name not in known]
        indexes = sorted(path.name for path in (self._data / "vectors").glob("*"))
        return left + (indexes if len(indexes) > 2 else [name for name in indexes if name.startswith(".")])


def _judged(look: Callable[[], str]) -> tuple[str, str]:
    try:
        wrong = look()
    except CitewellError as error:
        return "told", str(error)
    except Exception as error:  # a traceback where one line was due
        return "crash", f"{type(error).__name__}: {error}"
    return ("wrong", wrong) if wrong else ("right", "")


def serve(commands: Connection, data: Path, limit: int, scratch: Path | None) -> None:
    """Obeys until there are no more commands.

    Args:
        commands: takes commands and gives replies.
        data: the data directory.
        limit: the setting `chunk_index_limit`.
        scratch: where temporary files go, if not where they always do.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    tempfile.tempdir = None if scratch is None else str(scratch)
    sys.addaudithook(partial(_announce, commands))
    worker = Worker(data, limit)
    commands.send({"ready": os.getpid()})
    with suppress(EOFError):
        while True:
            commands.send(worker.obey(commands.recv()))
    worker.close()


def _announce(commands: Connection, event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and ".building-" in str(arguments[0]):
        commands.send({"swapping": True})
