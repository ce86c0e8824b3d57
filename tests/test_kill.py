"""A process that ingests is killed, again and again; nothing it acknowledged is ever lost."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from citewell import Assistant
from citewell.errors import NoCollectionError
from citewell.indexing import vectors_of
from citewell.library import Library
from fakes import HashEmbedder, paper, words_of

KILLS = 20
FILES, PER_FILE = 60, 25

# Ingests one file more each time, tells when that is done, and asks for a paper of it.
_INGEST = """
import sys
from citewell import Assistant
from fakes import HashEmbedder, words_of
import chromadb
data, done, *files = sys.argv[1:]
with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=16) as assistant:
    print("ready", flush=True)
    for number in range(int(done) + 1, len(files) + 1):
        report = assistant.ingest(files[max(0, number - 3) : number])
        print(number, report.papers, flush=True)
        assistant.search(words_of(25 * number - 1), k=1)
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for number in range(FILES):
        papers = [paper(PER_FILE * number + place) for place in range(PER_FILE)]
        path = tmp_path / f"{number:02}.jsonl"
        path.write_text(
            "".join(
                json.dumps({"_id": p.paper_id, "title": p.title, "text": p.abstract}) + "\n" for p in papers
            )
        )
        found.append(path)
    return found


def ingest_until_killed(data: Path, done: int, files: list[Path], seconds: float) -> tuple[int, bool]:
    """Returns the number of files acknowledged by then, and whether the kill hit a living process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _INGEST, str(data), str(done), *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        started = process.stdout.readline()
        assert started == "ready\n", process.stderr.read()
        time.sleep(seconds)
        alive = process.poll() is None
        process.kill()
        output, errors = process.communicate(timeout=60)
    assert alive or process.returncode == 0, errors
    acknowledged = [int(line.split()[0]) for line in output.splitlines()]
    return max([done, *acknowledged]), alive


def assert_holds(data: Path, files_done: int) -> None:
    """The library is sound and holds the papers of the first files as they were given."""
    library = Library(data / "library.db")
    try:
        verdicts = [row[0] for row in library.connection().execute("PRAGMA integrity_check")]
        assert verdicts == ["ok"]
        held = {stored.paper.paper_id: stored.paper for stored in library.iterate()}
        assert library.manifest().papers == len(held)
    finally:
        library.close()
    for number in range(PER_FILE * files_done):
        expected = paper(number)
        assert (held[f"p{number}"].title, held[f"p{number}"].abstract) == (expected.title, expected.abstract)


def found(assistant: Assistant, number: int) -> str:
    """The id of the best result for a paper's own words."""
    return assistant.search(words_of(number), k=1)[0].paper_id


def test_nothing_acknowledged_is_lost_and_every_rerun_completes(tmp_path: Path, files: list[Path]) -> None:
    data, done, hits, dice = tmp_path / "data", 0, 0, random.Random(11)
    while hits < KILLS:
        done, alive = ingest_until_killed(data, done, files, dice.uniform(0.0, 0.7))
        hits += alive
        assert_holds(data, done)
        if hits % 4 == 0:
            with Assistant.open(data, embedder=HashEmbedder()) as reader:
                for number in dice.sample(range(PER_FILE * done), min(5, PER_FILE * done)):
                    assert found(reader, number) == f"p{number}"
        if done == FILES:
            break
    assert hits >= KILLS or done == FILES
    assert done > 3
    embedder = HashEmbedder()
    with Assistant.open(data, embedder=embedder) as assistant:
        report = assistant.ingest(files)
        assert (report.papers, report.rejected) == (FILES * PER_FILE, ())
        assert embedder.embedded <= PER_FILE * (FILES - done)
        missed = [number for number in range(FILES * PER_FILE) if found(assistant, number) != f"p{number}"]
        assert missed == []
        snapshot = assistant.collection.snapshot()
        assert snapshot.generation is not None
        rows = [stored.row for stored in assistant.collection.library.iterate()]
        vectors = vectors_of(assistant.collection.library, rows, snapshot.manifest)
        assert snapshot.generation.count() == len(vectors) == FILES * PER_FILE
        assert all(snapshot.generation.finds(vector) for vector in vectors)
        assert assistant.ingest(files).unchanged == FILES * PER_FILE
    assert len(list((data / "vectors").iterdir())) <= 2
    assert_holds(data, FILES)


def test_a_kill_before_the_first_paper_leaves_an_empty_collection(tmp_path: Path, files: list[Path]) -> None:
    data = tmp_path / "data"
    ingest_until_killed(data, 0, [], 0.0)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant, pytest.raises(NoCollectionError):
        assistant.search("coral")
