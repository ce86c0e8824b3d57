"""The trials of faults: a few of each kind with a real child process, and that they notice what is wrong."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from citewell import Assistant

BENCHMARKS = Path(__file__).resolve().parents[1] / "eval" / "benchmarks"
sys.path.append(str(BENCHMARKS))  # they are scripts, which import one another by name

import faults  # noqa: E402
import faults_trials as trials  # noqa: E402
from faults_papers import WordVectors, entries, paper, version_of, word  # noqa: E402
from faults_parent import State, Tally  # noqa: E402


def test_a_kill_while_an_index_is_swapped_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faults_trials.SPACE", 16)
    monkeypatch.setattr("faults_trials._MEASURED", 1)
    monkeypatch.setattr("faults_trials.SLOWEST", 0.0)  # at once, so that it hits
    monkeypatch.setattr("faults_trials.MOST_TRIES", 20)
    killed = trials.kill("swap", 1, tmp_path, random.Random(3))
    assert killed.hit == 1
    assert killed.acknowledged >= 2
    assert (killed.lost, killed.wrong, killed.unsound, killed.crashed, killed.details) == (0, 0, 0, 0, [])


def test_what_is_lost_is_counted() -> None:
    state = State()
    state.acknowledge({"do": "ingest", "papers": [[1, 1], [2, 1], [3, 1], [4, 1]]})
    state.acknowledge({"do": "remove", "numbers": [4]})
    state.suspect({"do": "ingest", "papers": [[2, 2], [3, 2], [5, 1]]})
    assert state.lost([("p1", 1), ("p2", 2), ("p3", 1)]) == []
    assert state.held == {1: 1, 2: 2, 3: 1}
    state.suspect({"do": "remove", "numbers": [3]})
    lost = state.lost([("p2", 1), ("p4", 1), ("p3", None)])
    assert [one.split(",")[0] for one in sorted(lost)] == [
        "p1 is version None",
        "p2 is version 1",
        "p3 is version None",
        "p4 is version 1",
    ]


def test_operations_come_from_the_seed_and_change_papers_that_are_there() -> None:
    state = State({number: 0 for number in range(360)})
    first = [
        State(dict(state.held)).operation(kind, random.Random(7)) for kind in ("ingest", "remove", "swap")
    ]
    again = [
        State(dict(state.held)).operation(kind, random.Random(7)) for kind in ("ingest", "remove", "swap")
    ]
    assert first == again
    assert {version for _, version in first[0]["papers"]} == {0, 1}
    assert first[2] == {"do": "swap", "limit": 0}


def test_every_version_of_a_paper_is_told_to_the_letter() -> None:
    made = paper(7, 3)
    assert version_of(made) == 3
    assert version_of(paper(8, 0)) == 0
    assert len({word(number) for number in range(5_000)}) == 5_000
    with Assistant.from_papers(
        [one.paper for one in entries([(7, 3), (8, 0)])], embedder=WordVectors()
    ) as held:
        assert version_of(held.show("p7")) == 3
        assert held.search(word(7), k=1)[0].paper_id == "p7"


@pytest.mark.parametrize("harm", trials.HARMS)
def test_every_harm_changes_the_file(harm: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    trials.HARMS[harm](path, random.Random(1))
    assert not path.exists() or path.read_bytes() != b"x" * 10_000


def test_messages_of_more_than_a_line_and_deaths_are_crashes() -> None:
    tally = Tally("a fault")
    tally.refused({"error": "No room. Free some.", "kind": "CollectionError", "told": True})
    tally.refused({"error": "one\ntwo", "kind": "CollectionError", "told": True})
    tally.refused({"error": "'x'", "kind": "KeyError", "told": False})
    tally.refused({"died": -11})
    tally.saw({"done": [(1, "right", ""), (2, "told", "No room."), (3, "wrong", "not found")], "notices": []})
    assert (tally.crashed, tally.wrong, tally.worst) == (3, 1, "No room. Free some.")
    report = faults.Report(faults.machine(), 1, [tally], None)
    assert faults.failed(report)
    (shown,) = faults.tables(report)
    assert shown.rows[0][7] == 3
