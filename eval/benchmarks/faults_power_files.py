"""Power cuts while the files are written that people keep beside a collection: exports, conversations, traces."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path

from citewell.durable import sync_folder
from citewell.errors import UsageError
from citewell.ingest import SilentProgress
from citewell.settings import Settings, load_settings
from citewell.transfer.importing import check
from faults_child import OWNER
from faults_disk import Disk
from faults_parent import FORKS, Child, Command, Tally, seeded
from faults_power import BEFORE, Content, check_forgetful, content_of, cut, write_back

_PAPERS = 40
_NAMES = 4  # different ones, so that most files replace others
_SECONDS = 0.1  # at most, from the command to the cut
_CONVERSATION, _FEEDBACK = "conversations/{owner}/{name}.json", "feedback.jsonl"
_PLACES = {
    "export": "{name}.citewell",
    "conversation": _CONVERSATION,
    "deletion": _CONVERSATION,
    "feedback": _FEEDBACK,
    "trace": "trace-{name}.json",
}


def power_cut_of_files(kind: str, trials: int, folder: Path, dice: random.Random) -> Tally:
    """Cuts the power while exports, conversations, feedback and traces are written, replaced and deleted.

    Args:
        kind: the file system.
        trials: how often; it strikes seldom, for these files are synced at once.
        folder: takes the disk.
        dice: draws files, moments and what the disk keeps.
    """
    tally = Tally(f"power cut, files beside, on {kind}")
    with closing(Disk(folder, kind, FORKS, dice.randrange(10**6))) as disk:
        check_forgetful(disk)
        home, data = disk.path / "home", disk.path / "data"
        home.mkdir()
        sync_folder(disk.path)
        seeded(data, dice, _PAPERS)
        settings = load_settings({"data_dir": data})
        kept: Content = {}
        for tally.trials in range(1, trials + 1):
            kept = _cut_once(tally, disk, home, kept, dice)
            tally.blame("unsound", [name for name in kept if not _is_whole(home / name, settings)])
    return tally


def _cut_once(tally: Tally, disk: Disk, home: Path, kept: Content, dice: random.Random) -> Content:
    """Cuts the power during or just after a file is written; returns the files that are there then."""
    with Child(disk.path / "data", _PAPERS) as child:
        for _ in range(dice.randint(1, BEFORE)):
            if "done" in (reply := child.run(_writing(home, dice))):
                tally.acknowledged += 1
                kept = _finished(content_of(home))
            else:
                tally.refused(reply)
        last = _writing(home, dice)
        child.send(dict(last))
        write_back(home, _SECONDS, dice)
        given, left = cut(disk, child, home)
    open_end = _place(last)  # the one file that may be as before or as new
    if given is not None and "done" in given:
        tally.acknowledged += 1
        kept, open_end = _finished(left), ""
    elif given is not None:
        tally.refused(given)
    now = content_of(home)
    tally.hit += left != now
    found = _finished(now)
    tally.blame("lost", [name for name in {*kept, *found} if _is_lost(name, kept, found, open_end)])
    return found


def _writing(home: Path, dice: random.Random) -> Command:
    kind = dice.choice(list(_PLACES))
    return {"do": "write", "kind": kind, "home": str(home), "name": f"{dice.randrange(_NAMES):032}"}


def _place(command: Command) -> str:
    return _PLACES[command["kind"]].format(owner=OWNER, name=command["name"])


def _finished(content: Content) -> Content:
    """Returns the files that are not in the making."""
    return {
        name: text
        for name, text in content.items()
        if Path(name).name[0] != "." and not name.endswith(".tmp")
    }


def _is_lost(name: str, kept: Content, found: Content, open_end: str) -> bool:
    """Returns whether a file is not as it was acknowledged; one that was to be replaced may be another."""
    before, now = kept.get(name), found.get(name)
    if name == _FEEDBACK and before is not None and open_end == _FEEDBACK:
        return now is None or not now.startswith(before)
    return before != now and name != open_end


def _is_whole(path: Path, settings: Settings) -> bool:
    """Returns whether a file can be read as what it is."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".citewell":
            check(path, settings, SilentProgress())
    except (UsageError, ValueError):
        return False
    return True
