"""The other side of faults_child.py: starts it, tells it what to do, kills it, and judges what is left."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from faults_child import serve
from faults_papers import Numbered, number_of

Command = dict[str, Any]
Reply = dict[str, Any]

SPACE = 360  # numbers of papers; 1,080 chunks, of which Chroma keeps the graph on disk
WRITES = ("ingest", "remove", "rebuild", "swap")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["chromadb.api.rust", "citewell.assistant", "citewell.gate"])
_LIMITS = (0, 100_000)  # of chunk vectors: none, and those of all papers
_ASKED = 6  # papers asked for after each fault


class Child:
    """A process with one collection; leaving the block ends it.

    It is forked from a server that has imported everything and opened nothing, which takes no time.

    Args:
        data: the data directory.
        limit: the setting `chunk_index_limit`.
        scratch: where it may keep temporary files.
    """

    def __init__(self, data: Path, limit: int, scratch: Path | None = None) -> None:
        self._commands, theirs = FORKS.Pipe()
        self._process = FORKS.Process(target=serve, args=(theirs, data, limit, scratch))
        self._process.start()
        theirs.close()
        self.pid = self.heard()["ready"]

    def send(self, command: Command) -> None:
        """Tells it what to do."""
        self._commands.send(command)

    def heard(self) -> Reply:
        """Returns what it says next; `died` if there is nothing and never will be."""
        try:
            return dict(self._commands.recv())
        except (EOFError, OSError):
            self._process.join()
            return {"died": self._process.exitcode}

    def reply(self) -> Reply:
        """Returns the reply to the last command."""
        while "swapping" in (heard := self.heard()):
            pass
        return heard

    def given(self) -> Reply | None:
        """Returns the reply to the last command if it has been given already."""
        while self._commands.poll():
            if "swapping" not in (heard := self.heard()):
                return heard
        return None

    def run(self, command: Command) -> Reply:
        """Returns the reply to a command."""
        self.send(command)
        return self.reply()

    def kill(self) -> Reply:
        """Kills it; returns the reply that it still gave, if it did."""
        self._process.kill()
        return self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._commands.close()  # it ends when there are no more commands
        if error is not None:
            self._process.kill()
        self._process.join()
        self._process.close()


@dataclass(slots=True)
class State:
    """What was acknowledged, and what may have happened besides.

    Attributes:
        held: the version of each paper that is there.
        limit: the setting `chunk_index_limit`.
        pending: what papers an operation that never returned may have made or removed, None for removed.
    """

    held: dict[int, int] = field(default_factory=dict)
    limit: int = _LIMITS[1]
    pending: dict[int, int | None] = field(default_factory=dict)
    _versions: Counter[int] = field(default_factory=Counter)

    def operation(self, kind: str, dice: random.Random, numbers: Sequence[int] = range(SPACE)) -> Command:
        """Returns a random operation on some of the papers."""
        if kind == "ingest":
            chosen = dice.sample(numbers, dice.randint(5, 30))
            return {"do": "ingest", "papers": [[n, self._version(n, dice)] for n in chosen]}
        if kind == "remove":
            chosen = dice.sample(numbers, dice.randint(5, 30))
            return {"do": "remove", "numbers": chosen}
        if kind == "swap":
            return {"do": "swap", "limit": _LIMITS[self.limit == _LIMITS[0]]}
        return {"do": kind}

    def _version(self, number: int, dice: random.Random) -> int:
        """Returns the version a paper has, or else one that was never there."""
        if number in self.held and dice.random() < 0.3:
            return self.held[number]
        self._versions[number] += 1
        return self._versions[number]

    def acknowledge(self, command: Command) -> None:
        """Takes note of an operation that has returned."""
        for number, version in _effect(command).items():
            self._set(number, version)
        self.limit = command.get("limit", self.limit)

    def suspect(self, command: Command) -> None:
        """Takes note of an operation that may have been done, in part or not at all."""
        self.pending.update(_effect(command))
        self.limit = command.get("limit", self.limit)

    def lost(self, found: Sequence[tuple[str, int | None]]) -> list[str]:
        """Returns what is not as it was acknowledged, and then takes what was found for what is held."""
        now = {number_of(paper_id): version for paper_id, version in found}
        lost = []
        for number in {*self.held, *now, *self.pending}:
            allowed = [self.held.get(number), *([self.pending[number]] if number in self.pending else [])]
            if (number in now and now[number] is None) or now.get(number) not in allowed:
                lost.append(f"p{number} is version {now.get(number)}, not one of {allowed}")
        self.pending.clear()
        self.held = {number: version for number, version in now.items() if version is not None}
        return lost

    def asked(self, dice: random.Random, most: int = _ASKED) -> Command:
        """Returns a command that looks for some of the papers that are there, and of those that are not."""
        sure = sorted(set(self.held) - set(self.pending))
        gone = sorted(set(range(SPACE)) - {*self.held, *self.pending})
        chosen: list[Numbered] = [(n, self.held[n]) for n in dice.sample(sure, min(most, len(sure)))]
        return {"do": "look", "papers": chosen, "gone": dice.sample(gone, min(2, len(gone)))}

    def _set(self, number: int, version: int | None) -> None:
        if version is None:
            self.held.pop(number, None)
        else:
            self.held[number] = version


def _effect(command: Command) -> dict[int, int | None]:
    made: dict[int, int | None] = dict(command.get("papers", ()))
    return made | dict.fromkeys(command.get("numbers", ()))


@dataclass(slots=True)
class Tally:
    """What became of the trials of one fault.

    Attributes:
        fault: its name.
        recovery: what brings everything back.
        trials: how often it was tried.
        hit: how often it struck.
        acknowledged: operations that returned.
        lost: papers that were not as acknowledged.
        wrong: papers looked for that were not found, shown and quoted as they should be.
        unsound: whatever a check of the files found, and what was left on disk.
        crashed: processes that died by themselves, and errors that were no line for a person.
        messages: what people were told, and how often.
        details: what is behind the counts of what was lost, wrong, unsound or crashed.
    """

    fault: str
    recovery: str = "automatic"
    trials: int = 0
    hit: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    unsound: int = 0
    crashed: int = 0
    messages: dict[str, int] = field(default_factory=dict)  # asdict makes no Counter
    details: list[str] = field(default_factory=list)

    def blame(self, column: str, details: Sequence[str]) -> None:
        """Adds to one of the counts."""
        setattr(self, column, getattr(self, column) + len(details))
        self.details += [f"trial {self.trials}, {column}: {detail}" for detail in details[:3]]

    def tell(self, *messages: str) -> None:
        """Takes note of what a person was told."""
        for message in messages:
            self.messages[message] = self.messages.get(message, 0) + 1

    def refused(self, reply: Reply) -> None:
        """Takes note of an operation that was not done."""
        if "died" in reply:
            self.blame("crashed", [f"the process died with {reply['died']}"])
        elif reply["told"] and "\n" not in reply["error"]:
            self.tell(reply["error"])
        else:
            self.blame("crashed", [f"{reply['kind']}: {reply['error']}"])

    def saw(self, reply: Reply) -> None:
        """Takes note of papers that were looked for."""
        if "done" not in reply:
            return self.refused(reply)
        self.tell(*reply["notices"])
        for number, verdict, detail in reply["done"]:
            if verdict == "told":
                self.tell(detail)
            elif verdict != "right":
                self.blame("wrong" if verdict == "wrong" else "crashed", [f"p{number}: {detail}"])
        return None

    @property
    def worst(self) -> str:
        """The longest of the messages."""
        return max(self.messages, key=len, default="")


def judge(tally: Tally, state: State, data: Path, dice: random.Random, tidy: bool = True) -> None:
    """Opens a collection in a fresh process, looks for papers, and checks all that is there.

    Args:
        tally: takes note of what is not as it should be.
        state: what is there; what was found becomes its new state.
        data: the data directory.
        dice: draws the papers that are asked for.
        tidy: whether a write follows, after which nothing may be left on disk.
    """
    with Child(data, state.limit) as child:
        tally.saw(child.run(state.asked(dice)))
        examined = child.run({"do": "examine"})
        if "done" not in examined:
            return tally.refused(examined)
        tally.blame("lost", state.lost([tuple(one) for one in examined["done"]["held"]]))
        tally.blame("unsound", examined["done"]["unsound"])
        if tidy:
            left = child.run({"do": "tidy"})
            if "done" not in left:
                return tally.refused(left)
            tally.blame("unsound", [f"left on disk: {left['done']}"] if left["done"] else [])
    return None


def seeded(data: Path, dice: random.Random, papers: int = SPACE) -> State:
    """Makes a collection of the first papers; returns its state."""
    state = State()
    with Child(data, state.limit) as child:
        command = {"do": "ingest", "papers": [(n, 0) for n in range(papers)]}
        if "done" not in (reply := child.run(command)):
            raise RuntimeError(f"the collection was not made: {reply}")
        state.acknowledge(command)
    return state


def pause(dice: random.Random, most: float) -> None:
    """Waits for a random time, uniform up to a number of seconds."""
    time.sleep(dice.uniform(0, most))
