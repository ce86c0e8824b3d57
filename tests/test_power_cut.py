"""What was acknowledged is there after a power cut: real file systems, on a disk that forgets what nobody synced."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from citewell import Assistant
from citewell.ingest import SilentProgress
from citewell.settings import Settings
from citewell.trace import Trace
from citewell.transfer import export
from citewell_ui.records import Records
from sample_answers import ANSWER, REFUSAL

sys.path.append(
    str(Path(__file__).resolve().parents[1] / "eval" / "benchmarks")
)  # scripts import one another

from faults_disk import MAKERS, Disk, Medium, lacking  # noqa: E402
from faults_papers import WordVectors, paper, word  # noqa: E402
from faults_parent import FORKS  # noqa: E402
from faults_power import check_forgetful, power_cut  # noqa: E402
from faults_power_files import power_cut_of_files  # noqa: E402

OWNER, FIRST, SECOND = "a" * 64, "1" * 32, "2" * 32


def kinds() -> list[object]:
    """The file systems, of which those that cannot be mounted here are skipped."""
    return [
        pytest.param(kind, marks=pytest.mark.skipif(bool(lacking(kind)), reason=lacking(kind)))
        for kind in MAKERS
    ]


@pytest.fixture(scope="module", params=kinds())
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with closing(Disk(tmp_path_factory.mktemp("power"), request.param, FORKS, seed=1)) as made:
        yield made


def cut(disk: Disk) -> None:
    disk.cut()
    disk.restart()


def test_the_disk_forgets_what_nobody_synced(disk: Disk) -> None:
    check_forgetful(disk)


def test_a_change_of_the_collection_is_there(disk: Disk) -> None:
    def asks() -> list[str]:
        with Assistant.open(disk.path / "new" / "data", embedder=WordVectors()) as opened:
            return [one.paper_id for one in opened.search(word(1), k=3)]

    with Assistant.open(disk.path / "new" / "data", embedder=WordVectors()) as opened:
        opened.add([paper(number, 0) for number in (1, 2, 3)])
        disk.cut()  # before it is closed, which would have SQLite sync more
    disk.restart()
    assert sorted(asks()) == ["p1", "p2", "p3"]
    with Assistant.open(disk.path / "new" / "data", embedder=WordVectors()) as opened:
        opened.remove(["p2"])
        disk.cut()
    disk.restart()
    assert sorted(asks()) == ["p1", "p3"]


def test_conversations_and_feedback_are_there(disk: Disk) -> None:
    records = Records(disk.path / "home")
    (disk.path / "home").mkdir()
    records.save(OWNER, FIRST, [ANSWER])
    records.save(OWNER, SECOND, [ANSWER])
    records.save(OWNER, SECOND, [ANSWER, REFUSAL])
    records.judge(ANSWER, "up")
    cut(disk)
    assert (records.load(OWNER, FIRST), records.load(OWNER, SECOND)) == ((ANSWER,), (ANSWER, REFUSAL))
    assert len((disk.path / "home" / "feedback.jsonl").read_text().splitlines()) == 1
    records.delete(OWNER, FIRST)
    cut(disk)
    assert records.load(OWNER, FIRST) == ()


def _exported(settings: Settings, target: Path) -> None:
    export(settings, target, SilentProgress(), overwrite=True)


def _traced(settings: Settings, target: Path) -> None:
    Trace(settings).write(target)


@pytest.mark.parametrize("write", [_exported, _traced])
def test_an_export_and_a_trace_are_there_and_whole(
    disk: Disk, tmp_path: Path, write: Callable[[Settings, Path], None]
) -> None:
    target = disk.path / f"{write.__name__}.file"
    with Assistant.open(tmp_path / "data", embedder=WordVectors()) as opened:
        opened.add([paper(1, 0)])
        for _ in range(2):  # a new file, and one that replaces it
            write(opened.settings, target)
            before = target.read_bytes()
            cut(disk)
            assert target.read_bytes() == before


# --- the trials, and the disk itself -------------------------------------------------------------------


@pytest.mark.skipif(bool(lacking("ext4")), reason=lacking("ext4"))
@pytest.mark.parametrize("trial", [power_cut, power_cut_of_files])
def test_a_trial_of_power_cuts_loses_nothing(
    trial: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faults_parent.SPACE", 16)
    monkeypatch.setattr("faults_power.SPACE", 16)
    monkeypatch.setattr("faults_trials._MEASURED", 1)
    tally = trial("ext4", 1, tmp_path, random.Random(3))
    assert tally.trials >= 1
    assert tally.acknowledged >= 1
    assert (tally.lost, tally.wrong, tally.unsound, tally.crashed, tally.details) == (0, 0, 0, 0, [])


def test_a_medium_keeps_what_was_flushed_and_a_share_of_the_rest() -> None:
    medium = Medium(64 * 512)
    medium.write(0, b"a" * 512 * 40)
    medium.flush()
    medium.write(0, b"b" * 512 * 40)
    forgotten = medium.cut(0.5, random.Random(1))
    medium.write(512 * 50, b"c" * 512)
    medium.flush()  # too late
    assert medium.read(0, 1) == b"b"  # nothing seems to have happened
    medium.restart()
    sectors = [medium.read(512 * number, 512) for number in range(64)]
    assert {*sectors[:40]} == {b"a" * 512, b"b" * 512}
    assert sectors.count(b"a" * 512) == forgotten
    assert {*sectors[40:]} == {bytes(512)}
    medium.write(0, b"d" * 512)
    medium.flush()
    medium.cut(0.0, random.Random(1))
    medium.restart()
    assert medium.read(0, 512) == b"d" * 512
