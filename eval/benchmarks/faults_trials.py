"""The trials of faults.py: each does one kind of harm again and again to a collection that is in use."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from faults_papers import RANKED
from faults_parent import SPACE, WRITES, Child, Command, Reply, State, Tally, judge, pause, seeded

MOST_TRIES = 3  # for each hit that is wanted
_BACKUP = "a copy put back"
_REORDERED = "results in another order, and `citewell doctor` names the damage"
SLOWEST = 1.1  # a kill comes within this share of the usual time of an operation
_MEASURED = 3  # operations that tell how long one takes
_PAGE = 4096


def did(tally: Tally, state: State, command: Command, reply: Reply) -> bool:
    """Takes note of what became of an operation; returns whether it was done."""
    if "done" in reply:
        tally.acknowledged += 1
        tally.tell(*reply["notices"])
        state.acknowledge(command)
        return True
    state.suspect(command)
    tally.refused(reply)
    return False


# --- kills ----------------------------------------------------------------------------------------------


def kill(kind: str, hits: int, folder: Path, dice: random.Random) -> Tally:
    """Kills a process at random moments of one kind of operation, each time after some that it acknowledged."""
    tally, data = Tally(f"SIGKILL during {kind}"), folder / "data"
    state = seeded(data, dice, SPACE // 2)
    usual = usual_time(kind, data, state, dice, tally)
    while tally.hit < hits and tally.trials < MOST_TRIES * hits:
        tally.trials += 1
        if kind == "repair":
            _checksums(data).unlink()
        with Child(data, state.limit) as child:
            if kind != "repair":
                before = state.operation(dice.choice(("ingest", "remove")), dice)
                did(tally, state, before, child.run(before))
            last = _operation(kind, state, dice)
            _begin(child, last)
            pause(dice, SLOWEST * usual)
            reply = child.kill()
        if "died" in reply:
            tally.hit += 1
            state.suspect(last)
        else:
            did(tally, state, last, reply)
        judge(tally, state, data, dice)
    return tally


def _operation(kind: str, state: State, dice: random.Random) -> Command:
    return state.asked(dice) if kind == "repair" else state.operation(kind, dice)


def _begin(child: Child, command: Command) -> None:
    """Sends a command; a swap only begins when the new index has been built and is to be moved into its place."""
    child.send(command)
    if command["do"] == "swap" and "swapping" not in (heard := child.heard()):
        raise RuntimeError(f"nothing was swapped: {heard}")


def usual_time(kind: str, data: Path, state: State, dice: random.Random, tally: Tally) -> float:
    """Returns the seconds that an operation takes."""
    took = []
    for _ in range(_MEASURED):
        if kind == "repair":
            _checksums(data).unlink()
        with Child(data, state.limit) as child:
            if kind != "repair":
                child.run(state.asked(dice))  # what is loaded late is loaded now
            command = _operation(kind, state, dice)
            _begin(child, command)
            start = time.perf_counter()
            did(tally, state, command, child.reply())
            took.append(time.perf_counter() - start)
    return statistics.median(took)


# --- damage ---------------------------------------------------------------------------------------------


def flip(path: Path, dice: random.Random) -> None:
    """Changes one to eight bytes."""
    content = bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 8) if content else 0):
        content[dice.randrange(len(content))] ^= dice.randint(1, 255)
    path.write_bytes(content)


def page(path: Path, dice: random.Random) -> None:
    """Overwrites a page with noise or zeros."""
    content = bytearray(path.read_bytes())
    start = _PAGE * dice.randrange(max(1, len(content) // _PAGE))
    end = min(len(content), start + _PAGE)
    content[start:end] = dice.choice([bytes(end - start), dice.randbytes(end - start)])
    path.write_bytes(content)


def truncate(path: Path, dice: random.Random) -> None:
    """Cuts a file off."""
    os.truncate(path, dice.randrange(max(1, path.stat().st_size)))


def delete(path: Path, dice: random.Random) -> None:
    """Deletes a file."""
    path.unlink()


Harm = Callable[[Path, random.Random], None]
HARMS: dict[str, Harm] = {
    "bytes flipped in": flip,
    "page overwritten in": page,
    "truncated:": truncate,
    "deleted:": delete,
}


def _generation(data: Path) -> Path:
    """Returns the folder of the index in use."""
    with closing(sqlite3.connect(data / "library.db")) as library:
        (name,) = library.execute("SELECT generation FROM manifest").fetchone()
    return data / "vectors" / str(name)


def _checksums(data: Path) -> Path:
    return _generation(data) / "checksums.json"


def index_damage(harm: str, trials: int, folder: Path, dice: random.Random) -> Tally:
    """Damages a random file of the vector index, half of the time under a process that has it open."""
    tally = Tally(f"{harm} a file of the index")
    state = seeded(folder / "sound", dice)
    for tally.trials in range(1, trials + 1):
        data = Path(shutil.copytree(folder / "sound", folder / "data"))
        with Child(data, state.limit) as child:
            if dice.random() < 0.5:
                tally.saw(child.run(state.asked(dice)))
            files = [path for path in _generation(data).rglob("*") if path.is_file()]
            harmed = dice.choice(files)
            before = harmed.read_bytes()
            HARMS[harm](harmed, dice)
            tally.hit += not harmed.exists() or harmed.read_bytes() != before
            tally.saw(child.run(state.asked(dice)))
            command = state.operation(dice.choice(("ingest", "remove")), dice)
            own = State(dict(state.held), state.limit)
            did(tally, own, command, child.run(command))
        judge(tally, own, data, dice)
        shutil.rmtree(data)
    return tally


def library_damage(harm: str, trials: int, folder: Path, dice: random.Random) -> Tally:
    """Damages the library, then puts a copy of it back.

    Whatever is shown or quoted must be right, or the command must end with one line. SQLite has no checksums, so the
    order of results may change unnoticed, unless the doctor is asked: then it has to name the damage.
    """
    tally = Tally(f"{harm} library.db", _BACKUP)
    state = seeded(folder / "sound", dice)
    for tally.trials in range(1, trials + 1):
        data = Path(shutil.copytree(folder / "sound", folder / "data"))
        HARMS[harm](data / "library.db", dice)
        tally.hit += 1
        with Child(data, state.limit) as child:
            looked = child.run(state.asked(dice, most=40))
            _find_out(tally, looked, child.run({"do": "check"}))
            tally.saw(looked)
            command = state.operation("ingest", dice)
            reply = child.run(command)
            if "done" in reply:
                tally.acknowledged += 1
            else:
                tally.refused(reply)
        for path in data.glob("library.db*"):
            path.unlink()
        shutil.copy(folder / "sound" / "library.db", data)
        judge(tally, State(dict(state.held), state.limit), data, dice)
        shutil.rmtree(data)
    return tally


def _find_out(tally: Tally, looked: Reply, checked: Reply) -> None:
    """Takes papers that are not found first off the reply, if the doctor names the damage."""
    if "done" not in checked:
        tally.refused(checked)
    elif checked["done"] and "done" in looked:
        kept = [one for one in looked["done"] if not one[2].startswith(RANKED)]
        if len(kept) < len(looked["done"]):
            tally.tell(_REORDERED)
        looked["done"] = kept


# --- disks and folders ----------------------------------------------------------------------------------


def limited_files(trials: int, folder: Path, dice: random.Random) -> Tally:
    """Lets no file of a writing process grow beyond a random size; then it may, in the same process."""
    tally, data = Tally("no file may grow (RLIMIT_FSIZE)"), folder / "data"
    state = seeded(data, dice, SPACE // 2)
    for tally.trials in range(1, trials + 1):
        with Child(data, state.limit) as child:
            if dice.random() < 0.5:
                tally.saw(child.run(state.asked(dice)))
            child.run({"do": "cap", "size": int(2 ** dice.uniform(6, 23))})
            _starved(tally, state, child, dice)
            child.run({"do": "cap", "size": -1})
            _goes_on(tally, state, child, dice)
        judge(tally, state, data, dice)
    return tally


def full_disk(trials: int, folder: Path, dice: random.Random) -> Tally:
    """Fills a small disk of its own to the last few pages; then makes room again. Mounting it takes root."""
    tally = Tally("disk full (a small one of its own)", "automatic, with room again")
    with _small_disk(folder / "disk", 48) as disk:
        data, ballast = disk / "data", disk / "ballast"
        state = seeded(data, dice, SPACE // 2)
        for tally.trials in range(1, trials + 1):
            with Child(data, state.limit) as child:
                if dice.random() < 0.5:
                    tally.saw(child.run(state.asked(dice)))
                _fill(ballast, int(2 ** dice.uniform(0, 22)))
                _starved(tally, state, child, dice)
                ballast.unlink()
                _goes_on(tally, state, child, dice)
            judge(tally, state, data, dice)
    return tally


@contextmanager
def _small_disk(path: Path, mib: int) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def _fill(ballast: Path, left: int) -> None:
    """Leaves so many bytes free, in whole pages."""
    with ballast.open("wb") as file:
        usage = os.statvfs(ballast.parent)
        file.write(bytes(max(0, usage.f_bavail * usage.f_frsize - left)))


def _starved(tally: Tally, state: State, child: Child, dice: random.Random) -> None:
    """Runs an operation that may not find room, and asks after it."""
    command = state.operation(dice.choice(WRITES), dice)
    tally.hit += not did(tally, state, command, child.run(command))
    tally.saw(child.run(state.asked(dice)))


def _goes_on(tally: Tally, state: State, child: Child, dice: random.Random) -> None:
    """Runs an operation that nothing is in the way of, in the same process."""
    command = state.operation("ingest", dice)
    if not did(tally, state, command, reply := child.run(command)):
        tally.blame("unsound", [f"it does not go on: {reply}"])


def read_only(trials: int, folder: Path, dice: random.Random) -> Tally:
    """Lets a user read who may not write to some of the folders and files: the answers stay, writes are refused."""
    tally, scratch = Tally("read-only, in part or in whole", "automatic, for answers"), folder / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    state = seeded(folder / "sound", dice)
    for tally.trials in range(1, trials + 1):
        data = Path(shutil.copytree(folder / "sound", folder / "data"))
        places = sorted(data.rglob("*"))
        locked = (
            {data, *places} if dice.random() < 0.3 else set(dice.sample([data, *places], dice.randint(1, 8)))
        )
        for path in (data, *places):
            path.chmod(_mode(path.is_dir(), path in locked))
        own = State(dict(state.held), state.limit)
        with Child(data, state.limit, scratch) as child:
            child.run({"do": "become_nobody"})
            tally.saw(child.run(state.asked(dice)))
            command = state.operation(dice.choice(WRITES), dice)
            tally.hit += not did(tally, own, command, child.run(command))
            tally.saw(child.run(own.asked(dice)))
        for path in (data, *data.rglob("*")):
            path.chmod(0o755)
        judge(tally, own, data, dice)
        shutil.rmtree(data)
        tally.blame("unsound", [f"left in the temporary folder: {path.name}" for path in scratch.iterdir()])
    return tally


def _mode(is_folder: bool, is_locked: bool) -> int:
    if is_folder:
        return 0o555 if is_locked else 0o777
    return 0o444 if is_locked else 0o666


# --- clocks and writers ---------------------------------------------------------------------------------


def clock_jumps(trials: int, folder: Path, dice: random.Random) -> Tally:
    """Lets the clock jump by hours and days, both ways, before and during operations."""
    tally, data = Tally("clock jumps of hours and days"), folder / "data"
    state = seeded(data, dice, SPACE // 2)
    for tally.trials in range(1, trials + 1):
        tally.hit += 1
        with Child(data, state.limit) as child:
            child.run({"do": "shift_clock", "seed": dice.randrange(10**6)})
            for kind in dice.sample(WRITES, 3):
                command = state.operation(kind, dice)
                if not did(tally, state, command, reply := child.run(command)):
                    tally.blame("unsound", [f"it stopped {kind}: {reply}"])
                tally.saw(child.run(state.asked(dice)))
        judge(tally, state, data, dice)
    return tally


def two_writers(trials: int, folder: Path, dice: random.Random) -> Tally:
    """Starts two writers at random times: one is told who the other is, and comes again."""
    tally, data = Tally("two writers at once", "automatic: the second tries again"), folder / "data"
    state = seeded(data, dice, SPACE // 2)
    with Child(data, state.limit) as one, Child(data, state.limit) as other:
        for tally.trials in range(1, trials + 1):
            pair = [(one, other, range(0, SPACE, 2)), (other, one, range(1, SPACE, 2))]
            dice.shuffle(pair)
            commands = []
            for child, _, numbers in pair:
                commands.append(state.operation(dice.choice(("ingest", "remove", "rebuild")), dice, numbers))
                child.send(commands[-1])
                pause(dice, 0.3)
            for (child, rival, _), command in zip(pair, commands, strict=True):
                reply = child.reply()
                tally.hit += "done" not in reply
                while "done" not in reply:
                    _check_busy(tally, reply, rival.pid)
                    time.sleep(0.05)
                    reply = child.run(command)
                did(tally, state, command, reply)
            if tally.trials % 10 == 0 or tally.trials == trials:
                judge(tally, state, data, dice, tidy=False)
    judge(tally, state, data, dice)
    return tally


def _check_busy(tally: Tally, reply: Reply, rival: int) -> None:
    if reply.get("kind") != "CollectionBusyError":
        tally.refused(reply)
        raise RuntimeError(f"the second writer was not told that it has to wait: {reply}")
    tally.tell(re.sub(r"process \d+ on \S+ since [\d:]+", "process PID on HOST since TIME", reply["error"]))
    if f"by process {rival} on " not in reply["error"]:
        tally.blame("unsound", [f"another writer is named than {rival}: {reply['error']}"])
