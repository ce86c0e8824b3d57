"""A collection through its life: incremental, idempotent, and never without what it had."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from citewell import Assistant, Listing, Paper
from citewell.errors import CollectionError, NoCollectionError
from citewell.index import Collection
from citewell.indexing import vectors_of
from citewell.types import Entry, IngestReport, Rejection
from citewell.vector_index import ABSTRACTS
from fakes import HashEmbedder, entries, paper, word

PAPERS = [paper(number) for number in range(40)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def assistant(data: Path) -> Iterator[Assistant]:
    with Assistant.open(data, embedder=HashEmbedder()) as opened:
        yield opened


def ingest(assistant: Assistant, papers: Sequence[Paper]) -> IngestReport:
    return assistant.collection.ingest(entries(papers))


def found(assistant: Assistant, query: str) -> str:
    """The id of the best result."""
    return assistant.search(query, k=1)[0].paper_id


def nearest(collection: Collection, query: str) -> list[str]:
    """The ids of the papers whose chunks are nearest, by the vector index alone."""
    snapshot = collection.snapshot()
    assert snapshot.generation is not None
    vector = collection.embedder(snapshot.manifest).embed_queries([query])[0]
    return snapshot.generation.nearest_by_chunk(vector, 5)


def assert_complete(collection: Collection) -> None:
    """The index holds exactly the papers of the library, and finds each by its own vectors."""
    snapshot = collection.snapshot()
    assert snapshot.generation is not None
    rows = [stored.row for stored in collection.library.iterate()]
    vectors = vectors_of(collection.library, rows, snapshot.manifest)
    assert snapshot.generation.count() == len(rows) == len(vectors) == snapshot.manifest.papers
    assert [vector.paper_id for vector in vectors if not snapshot.generation.finds(vector)] == []


# --- incremental and idempotent ------------------------------------------------------------------------


def test_what_is_unchanged_costs_no_embedding(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        first = ingest(assistant, PAPERS)
    assert (first.added, first.embedded, first.papers) == (40, 40, 40)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        before = assistant.collection.library.manifest()
        again = ingest(assistant, PAPERS)
        assert (again.added, again.updated, again.unchanged, again.embedded) == (0, 0, 40, 0)
        assert assistant.collection.library.manifest() == before
        more = ingest(assistant, [*PAPERS, paper(40)])
        assert (more.added, more.unchanged, more.embedded) == (1, 40, 1)
        assert_complete(assistant.collection)


def test_beyond_the_limit_only_abstracts_are_indexed_and_chunks_still_score(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder(), chunk_index_limit=40) as assistant:
        ingest(assistant, PAPERS)
        assert nearest(assistant.collection, word(3)) != []
        assert ingest(assistant, [paper(40)]).embedded == 1
        assert nearest(assistant.collection, word(3)) == []
        assert_complete(assistant.collection)
        assert found(assistant, word(3)) == "p3"
    with Assistant.open(data, embedder=HashEmbedder(), chunk_index_limit=41) as assistant:
        assert ingest(assistant, PAPERS).embedded == 0
        assert nearest(assistant.collection, word(3)) != []
        assert_complete(assistant.collection)


def test_only_a_changed_abstract_is_embedded_again_and_its_old_chunks_are_gone(assistant: Assistant) -> None:
    ingest(assistant, PAPERS)
    changed = replace(PAPERS[3], abstract=f"Nothing but {word(9_999)} is left of what this paper said.")
    report = ingest(assistant, [*PAPERS[:3], changed, *PAPERS[4:]])
    assert (report.updated, report.unchanged, report.embedded) == (1, 39, 1)
    assert found(assistant, word(9_999)) == "p3"
    assert nearest(assistant.collection, f"On the {word(3)} of pollen. {changed.abstract}")[0] == "p3"
    assert assistant.show("p3").abstract == changed.abstract
    snapshot = assistant.collection.snapshot()
    assert snapshot.generation is not None
    assert len(snapshot.generation._nearest("chunks", HashEmbedder().embed_queries(["x"])[0], 500)) == 118
    assert_complete(assistant.collection)


def test_repeats_are_counted_and_their_text_is_not_embedded(assistant: Assistant) -> None:
    repeat = replace(PAPERS[0], abstract="Another wording of it.", listings=(Listing("other.txt"),))
    for added, unchanged, embedded in ((40, 0, 40), (0, 40, 0)):
        report = ingest(assistant, [*PAPERS, repeat, PAPERS[1]])
        assert (report.entries, report.papers, report.duplicates) == (42, 40, 2)
        assert (report.added, report.unchanged, report.embedded) == (added, unchanged, embedded)
    assert assistant.show("p0").abstract == PAPERS[0].abstract
    assert [listing.source for listing in assistant.show("p0").listings] == ["page0.txt", "other.txt"]


def test_a_new_listing_is_an_update_that_costs_no_embedding(assistant: Assistant) -> None:
    ingest(assistant, PAPERS)
    generation = assistant.collection.library.manifest().generation
    report = ingest(assistant, [replace(PAPERS[0], listings=(Listing("later.txt", "Sep 1"),))])
    assert (report.updated, report.embedded) == (1, 0)
    assert assistant.collection.library.manifest().generation == generation


def test_the_digest_depends_on_contents_and_not_on_order(tmp_path: Path) -> None:
    shuffled = random.Random(7).sample(PAPERS, len(PAPERS))
    digests = []
    for number, (papers, batch) in enumerate([(PAPERS, 256), (shuffled, 3)]):
        folder = tmp_path / str(number)
        with Assistant.open(folder, embedder=HashEmbedder(), ingest_batch=batch) as assistant:
            ingest(assistant, papers)
            digests.append(assistant.collection.library.manifest().digest)
            ingest(assistant, [paper(1, version=1)])
            assert assistant.collection.library.manifest().digest not in digests
            ingest(assistant, [PAPERS[1], paper(77)])
            assistant.remove(["p77"])
            assert assistant.collection.library.manifest().digest == digests[-1]
    assert digests[0] == digests[1]


def test_what_is_no_paper_is_rejected_with_its_place(assistant: Assistant) -> None:
    broken = Rejection("papers.jsonl", 2, "no title")
    first, half, last = entries([PAPERS[0], replace(PAPERS[1], abstract="half a pair: \ud800."), PAPERS[2]])
    report = assistant.collection.ingest([first, broken, half, last])
    assert (report.entries, report.added) == (2, 2)
    assert [(r.line, r.reason) for r in report.rejected] == [
        (2, "no title"),
        (2, "holds half a surrogate pair, which is no Unicode text"),
    ]


def test_an_index_that_does_not_say_how_many_chunks_a_paper_has_is_made_again(
    assistant: Assistant,
) -> None:
    ingest(assistant, PAPERS)
    snapshot = assistant.collection.snapshot()
    abstracts = snapshot.generation._collections[ABSTRACTS]
    held = abstracts.get()["ids"]  # as versions before wrote it
    abstracts.update(ids=held, metadatas=[{"paper": paper_id, "chunks": None} for paper_id in held])
    gone = found(assistant, PAPERS[7].title)
    told: list[str] = []
    assistant.collection._notify = told.append
    assert assistant.remove([gone]) == 1
    assert told == ["The vector index is damaged or of another version; building it again from the library."]
    index = assistant.collection.snapshot().generation
    assert index.count() == len(PAPERS) - 1
    assert gone not in nearest(assistant.collection, PAPERS[7].title)


def test_an_index_of_abstracts_alone_need_not_say_how_many_chunks_a_paper_has(data: Path) -> None:
    told: list[str] = []
    with Assistant.open(data, embedder=HashEmbedder(), chunk_index_limit=0, notify=told.append) as assistant:
        ingest(assistant, PAPERS)
        abstracts = assistant.collection.snapshot().generation._collections[ABSTRACTS]
        held = abstracts.get()["ids"]
        abstracts.update(ids=held, metadatas=[{"paper": paper_id, "chunks": None} for paper_id in held])
        assert assistant.remove([found(assistant, PAPERS[7].title)]) == 1
        assert assistant.collection.snapshot().generation.count() == len(PAPERS) - 1
    assert told == []


def test_removed_papers_are_gone_everywhere(assistant: Assistant) -> None:
    ingest(assistant, PAPERS)
    assert assistant.remove(["p5", "p6", "nobody"]) == 2
    assert assistant.remove(["p5"]) == 0
    assert not {"p5", "p6"} & {result.paper_id for result in assistant.search(word(5), k=50)}
    assert "p5" not in nearest(assistant.collection, word(5))
    assert_complete(assistant.collection)
    assistant.remove([f"p{number}" for number in range(40)])
    with pytest.raises(NoCollectionError, match="is empty"):
        assistant.search("coral")
    ingest(assistant, PAPERS[:2])
    assert found(assistant, word(1)) == "p1"
    assert_complete(assistant.collection)


def test_an_ingest_that_breaks_off_keeps_what_it_stored_and_goes_on_from_there(data: Path) -> None:
    calls = 0

    def break_at_the_third(batch: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with (
        Assistant.open(data, embedder=HashEmbedder(before=break_at_the_third), ingest_batch=10) as assistant,
        pytest.raises(KeyboardInterrupt),
    ):
        ingest(assistant, PAPERS)
    told: list[str] = []
    with Assistant.open(data, embedder=HashEmbedder(), notify=told.append) as assistant:
        assert [found(assistant, word(number)) for number in (0, 19)] == ["p0", "p19"]
        assert_complete(assistant.collection)
        report = ingest(assistant, PAPERS)
        assert (report.added, report.unchanged, report.embedded) == (20, 20, 20)
        assert_complete(assistant.collection)
    assert told == ["The vector index is missing or damaged; bringing it up to date from the library."]


def test_an_interrupted_ingest_does_not_wait_for_what_is_being_embedded(data: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def embed_for_long(batch: object) -> None:
        begun.set()
        ended.wait(30)

    def interrupted() -> Iterator[Entry]:
        yield from entries(PAPERS[:10])
        begun.wait(30)
        raise KeyboardInterrupt

    try:
        with (
            Assistant.open(data, embedder=HashEmbedder(before=embed_for_long), ingest_batch=10) as assistant,
            pytest.raises(KeyboardInterrupt),
        ):
            started = time.monotonic()
            assistant.collection.ingest(interrupted())
        assert time.monotonic() - started < 20
    finally:
        ended.set()


# --- another model, another chunker --------------------------------------------------------------------


def test_a_changed_model_embeds_everything_again_while_the_old_one_answers(data: Path) -> None:
    old = HashEmbedder()
    with Assistant.open(data, embedder=old) as reader:
        ingest(reader, PAPERS)
        expected = [result.to_dict() for result in reader.search(word(7))]
        asked = 0

        def ask(batch: object) -> None:
            nonlocal asked
            asked += 1
            assert [result.to_dict() for result in reader.search(word(7))] == expected

        new = HashEmbedder("new", dim=48, before=ask)
        with Assistant.open(data, embedder=new, ingest_batch=16) as writer:
            report = ingest(writer, [])
            assert (report.entries, report.embedded, new.embedded, asked) == (0, 40, 40, 3)
            assert [found(writer, word(number)) for number in range(40)] == [p.paper_id for p in PAPERS]
            assert writer.collection.library.manifest().dim == 48
            assert_complete(writer.collection)
        with pytest.raises(CollectionError, match="made by HashEmbeddernew, an embedder passed in code"):
            reader.search(word(7))


def test_a_question_in_the_middle_of_a_change_of_model_still_has_its_vectors(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as reader:
        ingest(reader, PAPERS)
        snapshot = reader.collection.snapshot()
        with Assistant.open(data, embedder=HashEmbedder("new")) as writer:
            ingest(writer, [])
        rows = [stored.row for stored in reader.collection.library.iterate()]
        vectors = vectors_of(reader.collection.library, rows, snapshot.manifest)
        assert len(vectors) == 40
        assert snapshot.generation is not None
        assert all(snapshot.generation.finds(vector) for vector in vectors)
        with Assistant.open(data, embedder=HashEmbedder("new")) as writer:
            ingest(writer, [paper(40)])
        assert len(reader.collection.library.passages(rows, snapshot.manifest)) == 0


def test_an_interrupted_change_of_model_goes_on_whoever_reads_in_between(data: Path) -> None:
    new = HashEmbedder("new")

    def break_off(batch: object) -> None:
        if new.embedded >= 20:
            raise KeyboardInterrupt

    new._before = break_off
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        ingest(assistant, PAPERS)
    with Assistant.open(data, embedder=new, ingest_batch=10) as writer, pytest.raises(KeyboardInterrupt):
        ingest(writer, [paper(40)])
    with Assistant.open(data, embedder=HashEmbedder()) as reader:
        assert found(reader, word(3)) == "p3"
        # By its words alone: it has no vector of the old model.
        assert "p40" in [result.paper_id for result in reader.search(word(40), k=2)]
        assert reader.remove(["p39"]) == 1
    new._before = None
    done = new.embedded
    with Assistant.open(data, embedder=new, ingest_batch=10) as writer:
        assert ingest(writer, []).embedded == 40 - done
        assert_complete(writer.collection)


def test_papers_of_an_abandoned_change_of_model_get_vectors_of_the_one_in_use(data: Path) -> None:
    new = HashEmbedder("new")
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        ingest(assistant, PAPERS)
        with Assistant.open(data, embedder=new) as writer, pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                writer.collection.store, "begin", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            with pytest.raises(KeyboardInterrupt):
                ingest(writer, [paper(40), paper(41)])
        assert "p40" in [result.paper_id for result in assistant.search(word(40), k=2)]
        assert ingest(assistant, PAPERS[:3]).embedded == 2
        assert_complete(assistant.collection)


def test_a_changed_chunk_length_is_noticed_and_the_old_chunks_answer_until_then(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        ingest(assistant, PAPERS)
    with Assistant.open(data, embedder=HashEmbedder(), chunk_tokens=16) as assistant:
        assert found(assistant, word(7)) == "p7"
        report = ingest(assistant, PAPERS)
        assert (report.unchanged, report.embedded) == (40, 40)
        manifest = assistant.collection.library.manifest()
        (passages,) = assistant.collection.library.passages([1], manifest).values()
        assert len(passages.spans) > 3
        assert_complete(assistant.collection)


def test_a_repair_keeps_the_model_that_made_the_vectors(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        ingest(assistant, PAPERS)
        before = assistant.collection.library.manifest()
    with Assistant.open(data, embedder=HashEmbedder("new", dim=16)) as other:
        other.remove(["p0"])
        after = other.collection.library.manifest()
        assert after.recipe == before.recipe
        assert after.generation != before.generation
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assert_complete(assistant.collection)


# --- progress ------------------------------------------------------------------------------------------


class Recorded:
    """Keeps each stage with its total and how far it came."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done: list[float] = []
        self.stored = 0

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))
        self.done.append(0.0)

    def advance(self, amount: float) -> None:
        self.done[-1] += amount

    def papers(self, count: int) -> None:
        self.stored += count


def test_every_stage_of_progress_ends_at_its_total(data: Path, tmp_path: Path) -> None:
    listing = tmp_path / "papers.csv"
    listing.write_text("title,abstract\n" + "".join(f"{p.title},{p.abstract}\n" for p in PAPERS))
    size = listing.stat().st_size
    for salt, stages in (
        ("", [("reading and embedding", size)]),  # indexed meanwhile
        ("", [("reading and embedding", size)]),
        ("new", [("reading and embedding", size), ("embedding again", 1), ("indexing", 41)]),
    ):
        progress = Recorded()
        with Assistant.open(data, embedder=HashEmbedder(salt), ingest_batch=7) as assistant:
            assistant.ingest([listing], progress)
            ingest(assistant, [paper(50)])
        assert progress.stages == stages
        assert progress.done == pytest.approx([total for _, total in stages])
        assert progress.stored == 40
