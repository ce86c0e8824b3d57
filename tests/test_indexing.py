"""The vector index is made while papers are embedded, and is the same as one made afterwards."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from citewell import Assistant
from citewell.doctor import check_index
from citewell.embedding.base import PaperVectors, Passages
from citewell.errors import CollectionError
from citewell.indexing import vectors_of
from citewell.store import Generation
from citewell.vector_index import CHUNKS, tolerated
from fakes import HashEmbedder, entries, paper

PAPERS = [paper(number) for number in range(40)]
_PAUSE = 0.1  # seconds a paper


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def begun(data: Path) -> int:
    """How many indexes are in the making."""
    return len(list((data / "vectors").glob(".building-*")))


def watched(data: Path, salt: str = "") -> tuple[HashEmbedder, list[int]]:
    """An embedder that notes, with every batch, how many indexes are in the making."""
    seen: list[int] = []
    return HashEmbedder(salt, before=lambda batch: seen.append(begun(data))), seen


def assert_complete(data: Path, papers: int, chunks: bool = True) -> None:
    """The index in use holds and finds exactly the papers of the library, and no other is left in the making."""
    with Assistant.open(data, embedder=HashEmbedder(), notify=pytest.fail) as assistant:
        snapshot = assistant.collection.snapshot()
        assert snapshot.generation is not None
        rows = [stored.row for stored in assistant.collection.library.iterate()]
        vectors = vectors_of(assistant.collection.library, rows, snapshot.manifest)
        assert snapshot.generation.count() == len(vectors) == papers
        assert all(snapshot.generation.finds(one) for one in vectors)
        assert snapshot.generation.has_chunks == chunks
        held = sum(len(one.chunks) for one in vectors) if chunks else 0
        assert snapshot.generation._count(CHUNKS) == held
    assert begun(data) == 0


def test_the_index_of_a_new_collection_is_begun_before_the_last_papers_are_embedded(data: Path) -> None:
    embedder, seen = watched(data)
    with Assistant.open(data, embedder=embedder, ingest_batch=5) as assistant:
        assistant.collection.ingest(entries(PAPERS))
    assert (seen[0], seen[-1]) == (0, 1)
    assert_complete(data, 40)


def test_changed_papers_are_exchanged_in_the_index_batch_by_batch(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest(entries(PAPERS))
    embedder, seen = watched(data)
    with Assistant.open(data, embedder=embedder, ingest_batch=5) as assistant:
        changed = [paper(number, version=1) for number in range(30)]
        report = assistant.collection.ingest(entries([*changed, paper(50)]))
        assert (report.updated, report.added) == (30, 1)
    assert seen[-1] == 1
    assert_complete(data, 41)


def test_nothing_is_begun_where_nothing_is_new(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=5) as assistant:
        assistant.collection.ingest(entries(PAPERS))
        monkeypatch.setattr(assistant.collection.store, "begin", pytest.fail)
        assert assistant.collection.ingest(entries(PAPERS)).unchanged == 40


@pytest.mark.parametrize("before", [0, 12], ids=["an empty one", "one with chunks"])
def test_a_collection_that_grows_past_the_limit_meanwhile_has_no_chunks_in_its_index(
    data: Path, before: int
) -> None:
    with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=5, chunk_index_limit=15) as assistant:
        assistant.collection.ingest(entries(PAPERS[:before]))
        assistant.collection.ingest(entries(PAPERS))
    assert_complete(data, 40, chunks=False)


def test_an_index_that_cannot_be_made_meanwhile_is_made_at_the_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, calls = Generation.add, 0

    def fail_at_the_second(self: Generation, papers: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise CollectionError("No room.")
        add(self, papers)  # type: ignore[arg-type]

    monkeypatch.setattr(Generation, "add", fail_at_the_second)
    with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=5, notify=pytest.fail) as assistant:
        assert assistant.collection.ingest(entries(PAPERS)).added == 40
    assert calls == 3
    assert_complete(data, 40)


def test_one_that_can_never_be_made_is_told_when_all_papers_are_stored(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Generation, papers: object) -> None:
        raise CollectionError("No room.")

    with Assistant.open(data, embedder=HashEmbedder(), ingest_batch=5, notify=pytest.fail) as assistant:
        with monkeypatch.context() as patch, pytest.raises(CollectionError, match="No room"):
            patch.setattr(Generation, "add", fail)
            assistant.collection.ingest(entries(PAPERS))
        assert assistant.collection.library.manifest().papers == 40
        assert begun(data) == 0
        assert assistant.collection.ingest(entries(PAPERS)).embedded == 0
    assert_complete(data, 40)


def test_an_ingest_that_breaks_off_leaves_nothing_in_the_making(data: Path) -> None:
    batches = 0

    def stop(batch: object) -> None:
        nonlocal batches
        batches += 1
        if batches == 5:
            assert begun(data) == 1
            raise KeyboardInterrupt

    with Assistant.open(data, embedder=HashEmbedder(before=stop), ingest_batch=5) as assistant:
        with pytest.raises(KeyboardInterrupt):
            assistant.collection.ingest(entries(PAPERS))
        assert begun(data) == 0


def test_a_change_of_model_is_indexed_when_all_have_its_vectors(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder("old")) as assistant:
        assistant.collection.ingest(entries(PAPERS[:20]))
    embedder, seen = watched(data)
    with Assistant.open(data, embedder=embedder, ingest_batch=5) as assistant:
        assistant.collection.ingest(entries(PAPERS[20:]))
    assert set(seen) == {0}
    assert_complete(data, 40)


@pytest.mark.parametrize(
    ("missed", "asked", "sound"),
    [
        (0, 0, True),
        (0, 3, True),
        (1, 3, False),
        (1, 15, False),
        (1, 16, True),
        (2, 16, False),
        (2, 400, False),
    ],
)
def test_one_paper_of_many_may_be_out_of_reach_of_a_sound_index(missed: int, asked: int, sound: bool) -> None:
    assert tolerated(missed, asked) == sound


def test_an_index_that_misses_one_paper_is_kept_and_one_that_misses_two_is_not(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest(entries(PAPERS))
        library = assistant.collection.library
        last = library.ids(library.sample(library.manifest().revision, 1)).popitem()[1]
        generation = library.manifest().generation
    finds = Generation.finds
    gone = {last}
    monkeypatch.setattr(
        Generation, "finds", lambda self, paper: paper.paper_id not in gone and finds(self, paper)
    )
    with Assistant.open(data, embedder=HashEmbedder(), notify=pytest.fail) as assistant:
        assistant.search("coral")
        assert assistant.collection.library.manifest().generation == generation
        assert check_index(assistant.collection).verdict == "ok"
        assert "finds 39 of 40" in check_index(assistant.collection).detail
        gone |= {"p0", "p20"}
        assert check_index(assistant.collection).verdict == "fail"


class _OneByOne(HashEmbedder):
    """Takes the papers of a batch one by one, each in its own time."""

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        made = []
        for place in range(len(batch)):
            time.sleep(_PAUSE)
            made += super().embed_papers([batch[place]])
        return made


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests that a shell runs in the background have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_who_interrupts_an_ingest_does_not_wait_for_the_rest_of_a_batch(
    data: Path, interruptible: None
) -> None:
    embedder = _OneByOne()
    with Assistant.open(data, embedder=embedder, ingest_batch=40) as assistant:
        here = threading.main_thread().ident
        assert here is not None
        timer = threading.Timer(3 * _PAUSE, signal.pthread_kill, [here, signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            assistant.collection.ingest(entries(PAPERS))
        timer.join()
        assert embedder.embedded < 20
        assistant.collection.ingest(entries(PAPERS))
    assert_complete(data, 40)
