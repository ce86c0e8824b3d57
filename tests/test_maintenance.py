"""`citewell remove` and `citewell vacuum`: less is left, what is left is whole."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from citewell import Assistant, cli, maintenance
from citewell.cache import AnswerCache
from citewell.errors import CollectionBusyError, CollectionError, UsageError
from citewell.index import Collection
from citewell.library import Library, write_lock
from citewell.library.upkeep import size
from citewell.maintenance import Removal, plan_removal, remove, vacuum
from citewell.settings import Settings
from citewell.types import Listing, Paper
from fakes import HashEmbedder, paper, words_of

PAPERS = 30  # paper n is listed on page{n % 3}.txt


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "data"
    both = Paper(
        "On two pages", "It was seen twice.", "both", (Listing("page0.txt", "Aug 1"), Listing("b.csv"))
    )
    with Assistant.open(path, embedder=HashEmbedder()) as assistant:
        assistant.add([*(paper(number) for number in range(PAPERS)), both])
    return path


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def collection(data_dir: Path) -> Iterator[Collection]:
    with closing(Collection(Settings(data_dir=data_dir), HashEmbedder())) as opened:
        yield opened


def found(data_dir: Path, number: int) -> str:
    with Assistant.open(data_dir, embedder=HashEmbedder(), create=False) as assistant:
        return assistant.search(words_of(number), k=1)[0].paper_id


# --- removing --------------------------------------------------------------------------------------------


def test_papers_are_removed_by_id_and_found_no_more(collection: Collection, data_dir: Path) -> None:
    removal = plan_removal(collection, ["p3", "p7", "p3"], None)
    assert removal == Removal(("p3", "p7"))
    remove(collection, removal)
    assert collection.library.manifest().papers == PAPERS - 1
    assert found(data_dir, 3) != "p3" and found(data_dir, 8) == "p8"


def test_removing_a_page_keeps_what_other_pages_list(collection: Collection) -> None:
    removal = plan_removal(collection, [], "page0.txt")
    assert (len(removal.papers), removal.kept) == (PAPERS // 3, ("both",))
    remove(collection, removal)
    kept = collection.library.paper("both")
    assert kept is not None and kept.listings == (Listing("b.csv"),)
    assert {source for source, _, _ in collection.library.listings()} == {"page1.txt", "page2.txt", "b.csv"}
    assert collection.library.paper("p3") is None


def test_a_paper_that_is_named_goes_although_it_is_listed_elsewhere(collection: Collection) -> None:
    assert plan_removal(collection, ["both"], "page0.txt").kept == ()


@pytest.mark.parametrize(
    "ids, listing, told",
    [
        (["p1", "nope"], None, "'nope' is not in this collection. Nothing was removed"),
        (["x", "y"], None, "'x', 'y' are not in"),
        ([str(n) for n in range(9)], None, "'4' and 4 more are not"),
        ([], "page0", "no listing 'page0'. Nothing was removed. There are 'page0.txt', "),
        ([], None, "Name the papers to remove by their ids, or a page with --listing"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_removed(
    collection: Collection, ids: list[str], listing: str | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        plan_removal(collection, ids, listing)
    assert collection.library.manifest().papers == PAPERS + 1


def test_a_plan_that_no_longer_fits_removes_nothing(collection: Collection) -> None:
    plan = plan_removal(collection, ["p1", "p2"], None)
    collection.remove(["p2"])
    with pytest.raises(UsageError, match="has changed meanwhile"):
        remove(collection, plan)
    assert collection.library.paper("p1") is not None


def test_the_command_removes_without_asking_where_nobody_sits(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["remove", "p1", "p2", "--data-dir", str(data_dir), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["removed"], told["unlisted"], told["papers"]) == (["p1", "p2"], [], PAPERS - 1)
    assert cli.main(["remove", "p1", "p3", "--data-dir", str(data_dir)]) == 2
    assert capsys.readouterr().err.startswith("citewell: 'p1' is not in this collection.")
    assert cli.main(["remove", "--listing", "page0.txt", "--data-dir", str(data_dir), "--yes"]) == 0
    assert capsys.readouterr().out == "Removed 10 papers; took 1 other off page0.txt. 19 papers left.\n"


@pytest.mark.parametrize(
    "reply, status, left", [("y\n", 0, PAPERS), ("n\n", 1, PAPERS + 1), ("\n", 1, PAPERS + 1)]
)
def test_on_a_terminal_it_asks_first(
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reply: str,
    status: int,
    left: int,
) -> None:
    master, slave = pty.openpty()
    with open(slave, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(master, reply.encode())
        assert cli.main(["remove", "p4", "--data-dir", str(data_dir)]) == status
    os.close(master)
    told = capsys.readouterr()
    assert "p4  On the " in told.err and "Remove them? [y/N]" in told.err
    with closing(Library(data_dir / "library.db")) as library:
        assert library.manifest().papers == left


# --- giving space back -----------------------------------------------------------------------------------


def test_what_is_of_no_use_is_given_back(data_dir: Path) -> None:
    with Assistant.open(data_dir, embedder=HashEmbedder()) as assistant:
        assistant.add([paper(number, version=1) for number in range(0, PAPERS, 2)])
        assistant.remove([f"p{number}" for number in range(PAPERS) if number % 3])
        (data_dir / "vectors" / ".building-left").mkdir()
        (data_dir / "library.db.new-wal").write_text("left")
        before = size(assistant.collection.library)
        done = vacuum(assistant.collection)
        assert (
            done.before["library"]
            == before
            > done.after["library"]
            == (data_dir / "library.db").stat().st_size
        )
        assert done.before["vectors"] > done.after["vectors"] and done.passages > 0
        assert done.to_dict()["freed"] == sum(done.before.values()) - sum(done.after.values())
        generation = assistant.collection.library.manifest().generation
        assert [path.name for path in (data_dir / "vectors").iterdir()] == [generation]
        assert not list(data_dir.glob("library.db.new*"))
        (held,) = (
            assistant.collection.library.connection().execute("SELECT count(*) FROM passages").fetchone()
        )
        assert held == assistant.collection.library.manifest().papers
        assert assistant.search(words_of(6, version=1), k=1)[0].paper_id == "p6"
        assert assistant.collection.library.check() is None
        assert vacuum(assistant.collection).passages == 0


def test_the_text_of_removed_papers_is_gone_from_the_disk(data_dir: Path) -> None:
    removed = paper(5).abstract.encode()
    with closing(Collection(Settings(data_dir=data_dir), HashEmbedder())) as collection:
        collection.remove(["p5"])
        vacuum(collection)
    assert all(removed not in file.read_bytes() for file in data_dir.rglob("*") if file.is_file())


def test_vectors_for_the_model_of_the_settings_are_kept(data_dir: Path) -> None:
    """They may be those of a change of models that was interrupted."""
    with closing(Collection(Settings(data_dir=data_dir), HashEmbedder("new"))) as collection:
        _, recipe = collection.wanted()
        connection = collection.library.connection()
        connection.execute(
            "INSERT INTO passages SELECT content_hash, ?, spans, vectors FROM passages LIMIT 9",
            (recipe.fingerprint,),
        )
        connection.execute(
            "INSERT INTO passages SELECT content_hash, 'old', spans, vectors FROM passages LIMIT 5"
        )
        assert vacuum(collection).passages == 5


def test_readers_are_not_disturbed(data_dir: Path) -> None:
    with Assistant.open(data_dir, embedder=HashEmbedder()) as reader:
        expected = reader.search(words_of(4), k=3)
        with closing(Collection(Settings(data_dir=data_dir), HashEmbedder())) as collection:
            collection.remove(["p29"])
            collection.remove(["p28"])
            reading = reader.collection.library.connection().execute("SELECT title FROM papers")
            first = reading.fetchone()
            vacuum(collection)  # while the reader is in the middle of a query
            assert first is not None and len(reading.fetchall()) == PAPERS - 2
            vacuum(collection)
        again = reader.search(words_of(4), k=3)
        assert [result.paper_id for result in again] == [result.paper_id for result in expected]


def test_who_writes_is_not_disturbed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with write_lock(data_dir), closing(Collection(Settings(data_dir=data_dir))) as collection:
        with pytest.raises(CollectionBusyError, match="being written to by .* Try again when it is done"):
            vacuum(collection)
        assert cli.main(["vacuum", "--data-dir", str(data_dir)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_too_little_space_is_told_before_anything_is_done(
    collection: Collection, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citewell.library.upkeep.free_space", lambda folder: 10_000)
    before = (data_dir / "library.db").read_bytes()
    with pytest.raises(
        CollectionError, match=f"{data_dir} has 0 MB of free space, and rewriting the library"
    ):
        vacuum(collection)
    assert (data_dir / "library.db").read_bytes() == before


def test_the_copy_is_made_beside_the_library(collection: Collection, data_dir: Path) -> None:
    told: list[str] = []
    collection.library.connection().set_trace_callback(told.append)
    vacuum(collection)
    collection.library.connection().set_trace_callback(None)
    assert f"PRAGMA temp_store_directory = '{data_dir}'" in told
    assert told.index("VACUUM") < told.index("PRAGMA temp_store_directory = ''")
    assert not [file for file in data_dir.iterdir() if "etilqs" in file.name]


def test_answers_kept_are_rewritten_too(data_dir: Path, collection: Collection) -> None:
    cache = AnswerCache(data_dir / "answers.db", 5)
    with Assistant.open(data_dir, embedder=HashEmbedder()) as assistant:
        answer = assistant.ask(words_of(3))
    for number in range(40):
        cache.put(f"{number}", answer)
    done = vacuum(collection)
    assert 0 < done.after["answers"] < done.before["answers"]
    assert cache.get("39") == answer


_KILLED = """
import os, signal, sys
from citewell.index import Collection
from citewell.settings import Settings
from citewell import maintenance
collection = Collection(Settings(data_dir=sys.argv[1]))
ticks = [-1]  # counted from the statement on

def begun(statement):
    if statement.startswith(sys.argv[2]): ticks[0] = 0

def tick():
    ticks[0] += ticks[0] >= 0
    if ticks[0] == int(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)
    return 0

collection.library.connection().set_trace_callback(begun)
collection.library.connection().set_progress_handler(tick, 5)
maintenance.vacuum(collection)
"""


@pytest.mark.parametrize(
    "statement, ticks", [("DELETE FROM passages", 5), ("INSERT INTO papers_fts", 1), ("VACUUM", 20)]
)
def test_a_killed_vacuum_loses_nothing(data_dir: Path, statement: str, ticks: int) -> None:
    with closing(Collection(Settings(data_dir=data_dir), HashEmbedder())) as collection:
        collection.remove(["p1"])
        before = collection.library.manifest()
    command = [sys.executable, "-c", _KILLED, str(data_dir), statement, str(ticks)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    with closing(Collection(Settings(data_dir=data_dir), HashEmbedder())) as collection:
        assert collection.library.check() is None
        assert collection.library.manifest() == before
        vacuum(collection)
        assert [file.name for file in data_dir.iterdir() if "etilqs" in file.name] == []
    assert found(data_dir, 8) == "p8"


def test_the_command_prints_sizes(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["vacuum", "--data-dir", str(data_dir), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"before", "after", "passages", "seconds", "freed"}
    assert set(told["before"]) == {"library", "vectors", "answers"}
    assert cli.main(["vacuum", "--data-dir", str(data_dir)]) == 0
    assert "given back in" in capsys.readouterr().out
    assert cli.main(["vacuum", "--data-dir", str(data_dir / "none")]) == 2


def test_a_vacuum_without_an_index_makes_none(tmp_path: Path) -> None:
    Assistant.open(tmp_path / "data", embedder=HashEmbedder()).close()
    with closing(Collection(Settings(data_dir=tmp_path / "data"), HashEmbedder())) as collection:
        assert maintenance.vacuum(collection).after["vectors"] == 0
