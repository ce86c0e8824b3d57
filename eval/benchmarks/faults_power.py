"""Power cuts: the disk under a collection in use forgets what it was not told to keep, and is mounted again."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import closing, suppress
from pathlib import Path

from faults_disk import Disk
from faults_parent import FORKS, SPACE, WRITES, Child, Reply, State, Tally, judge, seeded
from faults_trials import MOST_TRIES, SLOWEST, did, usual_time

Content = dict[str, bytes]  # of files, by their paths

_WRITTEN_BACK = 0.2  # share of files that the kernel is asked to write at a time
BEFORE = 3  # operations at most that are acknowledged in a trial before the one that the cut meets


def power_cut(kind: str, hits: int, folder: Path, dice: random.Random) -> Tally:
    """Cuts the power at random moments; it strikes where files are not as a mere kill would have left them.

    Args:
        kind: the file system.
        hits: how often it has to strike.
        folder: takes the disk.
        dice: draws operations, moments and what the disk keeps.
    """
    tally = Tally(f"power cut, on {kind}")
    with closing(Disk(folder, kind, FORKS, dice.randrange(10**6))) as disk:
        data = disk.path / "data"
        state = seeded(data, dice, SPACE // 2)
        check_forgetful(disk)
        usual = {name: usual_time(name, data, state, dice, tally) for name in WRITES}
        while tally.hit < hits and tally.trials < MOST_TRIES * hits:
            tally.trials += 1
            tally.hit += _cut_once(tally, state, disk, dice, usual)
            judge(tally, state, data, dice)
    return tally


def check_forgetful(disk: Disk) -> None:
    """Cuts the power once to see that it matters: what was synced is there, and what was not is gone.

    Raises:
        RuntimeError: the disk forgets nothing, or too much.
    """
    content = b"x" * 100_000
    synced, unsynced = disk.path / "synced", disk.path / "unsynced"
    for path in (synced, unsynced):
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            if path == synced:
                os.fsync(file.fileno())
    disk.cut()
    disk.restart()
    if synced.read_bytes() != content or (unsynced.exists() and unsynced.read_bytes() == content):
        raise RuntimeError("a cut of the power of this disk is none")
    synced.unlink()
    unsynced.unlink(missing_ok=True)


def _cut_once(tally: Tally, state: State, disk: Disk, dice: random.Random, usual: dict[str, float]) -> bool:
    """Cuts the power during or just after an operation; returns whether files lost something by it."""
    data = disk.path / "data"
    with Child(data, state.limit) as child:
        if dice.random() < 0.5:
            tally.saw(child.run(state.asked(dice)))
        for _ in range(dice.randint(0, BEFORE)):
            before = state.operation(dice.choice(WRITES), dice)
            did(tally, state, before, child.run(before))
        last = state.operation(dice.choice(WRITES), dice)
        child.send(last)
        write_back(data, SLOWEST * usual[last["do"]], dice)
        reply, left = cut(disk, child, data)
    if reply is None:
        state.suspect(last)
    else:
        did(tally, state, last, reply)
    return left != content_of(data)


def cut(disk: Disk, child: Child, folder: Path) -> tuple[Reply | None, Content]:
    """Cuts the power and mounts the disk again.

    Returns:
        The reply that a process had given until then, and the files of a folder as its mere end would have left them.
    """
    os.kill(child.pid, signal.SIGSTOP)
    reply = child.given()
    disk.cut()
    left = content_of(folder)
    child.kill()
    disk.restart()
    return reply, left


def write_back(folder: Path, most: float, dice: random.Random) -> None:
    """Waits for a random time, in which the kernel is asked to write some files to the disk, without a flush."""
    end = time.monotonic() + dice.uniform(0, most)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, dice.uniform(0, 0.1)))
        for place, _, names in os.walk(folder):
            for name in names:
                if dice.random() < _WRITTEN_BACK:
                    with suppress(OSError), Path(place, name).open("rb") as file:  # it may be gone meanwhile
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def content_of(folder: Path) -> Content:
    """Returns all files of a folder by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
