"""One writer at a time, and readers in any number of threads and processes beside it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
from citewell import Assistant
from citewell.errors import CollectionBusyError
from fakes import HashEmbedder, entries, paper, word, words_of

PAPERS = [paper(number) for number in range(60)]

_HOLDER = """
import sys, time
from pathlib import Path
from citewell.library import write_lock
with write_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

_READER = """
import json, sys
from citewell import Assistant
from fakes import HashEmbedder
notify = lambda text: print(text, file=sys.stderr)
with Assistant.open(sys.argv[1], embedder=HashEmbedder(), notify=notify) as assistant:
    for query in sys.stdin:
        results = assistant.search(query, k=3)
        held = assistant.collection.snapshot().generation.count()
        print(json.dumps({"ids": [result.paper_id for result in results], "held": held}), flush=True)
"""

_WRITER = """
import sys
from citewell import Assistant
from fakes import HashEmbedder, entries, paper
with Assistant.open(sys.argv[1], embedder=HashEmbedder(), ingest_batch=8) as assistant:
    for start in range(100, 180, 10):
        papers = [paper(number, version=start) for number in range(5)]
        papers += [paper(number) for number in range(start, start + 10)]
        assistant.collection.ingest(entries(papers))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest(entries(PAPERS))
    return tmp_path / "data"


@contextmanager
def child(program: str, data: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    """What the process reads, and what it writes."""
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def ask(process: subprocess.Popen[str], query: str) -> dict[str, object]:
    to, back = pipes(process)
    to.write(query + "\n")
    to.flush()
    line = back.readline()
    assert line, process.stderr.read() if process.stderr else ""
    answer: dict[str, object] = json.loads(line)
    return answer


# --- the lock ------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_writes_and_readers_are_not_disturbed(data: Path) -> None:
    with child(_HOLDER, data) as holder, Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assert pipes(holder)[1].readline() == "held\n"
        named = f"is being written to by process {holder.pid} on .+ since \\d\\d:\\d\\d:\\d\\d. Try again"
        with pytest.raises(CollectionBusyError, match=named):
            assistant.collection.ingest(entries([paper(60)]))
        with pytest.raises(CollectionBusyError, match=named):
            assistant.remove(["p1"])
        with pytest.raises(CollectionBusyError, match=named):
            assistant.collection.rebuild()
        assert assistant.search(words_of(1), k=1)[0].paper_id == "p1"
        pipes(holder)[0].close()
        holder.wait(20)
        assert assistant.collection.ingest(entries([paper(60)])).added == 1


def test_the_lock_of_a_killed_process_does_not_block(data: Path) -> None:
    with child(_HOLDER, data) as holder:
        assert pipes(holder)[1].readline() == "held\n"
        holder.kill()
        holder.wait(20)
    assert json.loads((data / "writer.json").read_text())["pid"] == holder.pid
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assert assistant.collection.ingest(entries([paper(60)])).added == 1
    assert not (data / "writer.json").exists()


@pytest.mark.parametrize("note", ["", "null", "[]", "{}", '{"pid": 1'])
def test_a_note_that_names_no_writer_is_no_error(data: Path, note: str) -> None:
    with child(_HOLDER, data) as holder, Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assert pipes(holder)[1].readline() == "held\n"
        (data / "writer.json").write_text(note)
        with pytest.raises(CollectionBusyError, match="is being written to by another process"):
            assistant.collection.check_writable()


# --- readers -------------------------------------------------------------------------------------------


def test_a_reader_in_another_process_sees_each_state_as_it_is_published(data: Path) -> None:
    seen: list[dict[str, object]] = []

    def look(batch: object) -> None:
        seen.append(ask(reader, words_of(3)))

    with (
        child(_READER, data) as reader,
        Assistant.open(data, embedder=HashEmbedder(before=look), ingest_batch=5) as writer,
    ):
        assert ask(reader, words_of(3)) == {"ids": ask(reader, words_of(3))["ids"], "held": 60}
        writer.collection.ingest(entries([paper(number) for number in range(60, 80)]))
        assert [(answer["held"], answer["ids"][0]) for answer in seen] == [(60, "p3")] * 4  # type: ignore[index]
        assert ask(reader, words_of(79))["held"] == 80
        for number in range(60, 80):
            assert ask(reader, words_of(number))["ids"][0] == f"p{number}"  # type: ignore[index]
        writer.remove([f"p{number}" for number in range(60, 79)])
        answer = ask(reader, words_of(79))
        assert (answer["held"], answer["ids"][0]) == (61, "p79")  # type: ignore[index]
        writer.collection.rebuild()
        writer.collection.rebuild()
        assert ask(reader, words_of(3))["ids"][0] == "p3"  # type: ignore[index]


def test_readers_of_a_damaged_index_repair_it_once(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        name = assistant.collection.library.manifest().generation
    (data / "vectors" / name / "checksums.json").unlink()
    with child(_READER, data) as one, child(_READER, data) as other:
        for number in range(10):
            for process in (one, other):
                answer = ask(process, words_of(number))
                assert (answer["held"], answer["ids"][0]) == (60, f"p{number}")  # type: ignore[index]
    with Assistant.open(data, embedder=HashEmbedder(), notify=pytest.fail) as assistant:
        assert assistant.search(words_of(3), k=1)[0].paper_id == "p3"


def test_threads_ask_one_assistant_while_another_process_ingests(data: Path) -> None:
    told: list[str] = []
    failures: list[object] = []
    asked = [0] * 4

    def run(reader: Assistant, place: int) -> None:
        number = place
        while writer.poll() is None or asked[place] < 10:
            number = 5 + (number + 7) % 55  # papers that the writer leaves alone
            try:
                best = reader.search(words_of(number), k=1)[0].paper_id
                if best != f"p{number}":
                    failures.append((best, number))
                answer = reader.ask(f"In how many places was {word(number)} measured?")
                quotes = [(c.paper_id, c.quote, c.start, c.end) for c in answer.citations]
                failures.extend(q for q in quotes if reader.show(q[0]).abstract[q[2] : q[3]] != q[1])
            except Exception as error:  # whatever it is, the test must tell it
                failures.append(error)
            asked[place] += 1

    with (
        Assistant.open(data, embedder=HashEmbedder(), notify=told.append) as reader,
        child(_WRITER, data) as writer,
    ):
        threads = [threading.Thread(target=run, args=(reader, place)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (writer.wait(60), pipes(writer)[1].read()) == (0, "")
        assert failures == []
        assert min(asked) >= 10
        assert told == []
        assert [reader.search(words_of(number), k=1)[0].paper_id for number in (3, 100, 179)] == [
            "p3",
            "p100",
            "p179",
        ]
        assert word(1_700_003) in reader.show("p3").abstract


def test_an_assistant_answers_while_another_thread_of_it_ingests(data: Path) -> None:
    failures: list[object] = []
    with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=4, notify=failures.append) as assistant:

        def write(batches: Sequence[int]) -> None:
            try:
                for start in batches:
                    assistant.collection.ingest(entries([paper(n) for n in range(start, start + 8)]))
                    assistant.remove([f"p{start}"])
            except Exception as error:
                failures.append(error)

        writer = threading.Thread(target=write, args=(range(100, 140, 8),))
        writer.start()
        while writer.is_alive():
            for number in (0, 30, 59):
                assert assistant.search(words_of(number), k=1)[0].paper_id == f"p{number}"
        writer.join()
        assert failures == []
        assert assistant.search(words_of(139), k=1)[0].paper_id == "p139"
        assert assistant.collection.library.paper("p132") is None


def test_connections_of_threads_that_ended_are_closed(data: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("counts open files through /proc")
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.search("coral")

        def opened() -> int:
            thread = threading.Thread(target=assistant.search, args=("coral",))
            thread.start()
            thread.join()
            gc.collect()  # a connection and its cache of statements hold each other
            return sum(data in file.parents for file in open_files(descriptors))

        first = opened()
        assert first > 0
        # SQLite may put off closing a file while another connection locks it; each thread opens three.
        assert [opened() for _ in range(10)][-1] <= first + 5


def open_files(descriptors: Path) -> list[Path]:
    """Returns what this process has open; other threads open and close files of their own meanwhile."""
    files = []
    for descriptor in os.listdir(descriptors):
        with suppress(FileNotFoundError):
            files.append(Path(os.readlink(descriptors / descriptor)))
    return files
