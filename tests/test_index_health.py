"""Damage, interruption, full disks and read-only folders: the library answers, and makes its index again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant
from citewell.errors import CollectionError
from citewell.indexing import vectors_of
from citewell.library import Library
from citewell.store import Generation, VectorStore
from citewell.vector_index import PaperVectors
from fakes import HashEmbedder, entries, paper, words_of
from numpy.typing import NDArray

PAPERS = [
    paper(number) for number in range(360)
]  # 1,080 chunks: Chroma persists their graph, not the abstracts'
REPAIR = "The vector index is missing or damaged; bringing it up to date from the library."


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "data"
    with Assistant.open(folder, embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest(entries(PAPERS))
    return folder


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "data"))


def generation(data: Path) -> Path:
    """The folder of the published generation."""
    return data / "vectors" / Library(data / "library.db").manifest().generation


def persisted(data: Path) -> Path:
    """The folder of the collection whose graph is on disk."""
    (found,) = generation(data).glob("*/index_metadata.pickle")
    return found.parent


def assert_all_found(data: Path, messages: list[str] | None = None) -> None:
    """Opened again, the collection embeds nothing, tells the messages, and its index finds every paper."""
    told: list[str] = []
    embedder = HashEmbedder()
    with Assistant.open(data, embedder=embedder, notify=told.append) as assistant:
        for number in (0, 181, 359):
            assert assistant.search(words_of(number), k=1)[0].paper_id == f"p{number}"
        snapshot = assistant.collection.snapshot()
        assert snapshot.generation is not None
        rows = [stored.row for stored in assistant.collection.library.iterate()]
        vectors = vectors_of(assistant.collection.library, rows, snapshot.manifest)
        assert len(vectors) == snapshot.generation.count() == 360
        assert all(snapshot.generation.finds(vector) for vector in vectors)
    assert embedder.embedded == 0
    if messages is not None:
        assert told == messages
    with Assistant.open(data, embedder=embedder, notify=pytest.fail) as assistant:
        assistant.search("coral")


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    noise = np.random.default_rng(1)
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    if len(content):
        content[noise.integers(0, len(content), len(content) // 50 + 8)] = noise.integers(0, 256)
    path.write_bytes(content.tobytes())


# --- damage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("data_level0.bin", delete),
        ("data_level0.bin", halve),
        ("data_level0.bin", garble),  # Chroma itself dies of this one
        ("header.bin", empty),
        ("link_lists.bin", garble),
        ("length.bin", delete),
        ("index_metadata.pickle", delete),
        ("index_metadata.pickle", garble),
        ("../chroma.sqlite3", delete),
        ("../chroma.sqlite3", halve),
        ("../chroma.sqlite3", garble),
        ("../checksums.json", delete),
        ("../checksums.json", empty),
    ],
)
def test_a_damaged_index_is_made_again_without_embedding(
    data: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(persisted(data) / name)
    assert_all_found(data, [REPAIR])


@pytest.mark.parametrize("gone", [generation, lambda data: data / "vectors"])
def test_a_missing_index_is_made_again_without_embedding(data: Path, gone: Callable[[Path], Path]) -> None:
    shutil.rmtree(gone(data))
    assert_all_found(data, [REPAIR])


def test_files_of_a_collection_that_is_not_persisted_do_not_matter(data: Path) -> None:
    for path in generation(data).glob("*/*.bin"):
        if path.parent != persisted(data):
            garble(path)
    assert_all_found(data, [])


def test_an_index_with_the_right_count_that_finds_nothing_is_made_again(data: Path) -> None:
    published = generation(data)
    noise = np.random.default_rng(3)

    def mislead(made: Generation) -> None:
        with Assistant.open(data, embedder=HashEmbedder()) as assistant:
            manifest = assistant.collection.library.manifest()
            rows = [stored.row for stored in assistant.collection.library.iterate()]
            right = vectors_of(assistant.collection.library, rows, manifest)
        made.add(
            [
                replace_vectors(vector.paper_id, noise.normal(size=(1 + len(vector.chunks), 32)))
                for vector in right
            ]
        )
        assert made.count() == 360

    def replace_vectors(paper_id: str, wrong: NDArray[np.float64]) -> PaperVectors:
        return PaperVectors(paper_id, wrong[0].astype(np.float32), wrong[1:].astype(np.float32))

    with closing(VectorStore(data / "vectors").begin("")) as building:
        mislead(building.generation)
        name = building.finish()
    shutil.rmtree(published)
    (data / "vectors" / name).rename(published)
    assert_all_found(data, [REPAIR])


def test_an_ingest_onto_a_damaged_index_starts_a_new_one(data: Path) -> None:
    garble(persisted(data) / "data_level0.bin")
    told: list[str] = []
    with Assistant.open(data, embedder=HashEmbedder(), notify=told.append) as assistant:
        assistant.collection.ingest(entries([paper(400)]))
        assistant.remove(["p400"])
    assert told == ["The vector index is damaged or of another version; building it again from the library."]
    assert_all_found(data, [])


def test_a_rebuild_on_request_embeds_nothing(data: Path) -> None:
    before = generation(data)
    embedder = HashEmbedder()
    with Assistant.open(data, embedder=embedder) as assistant:
        assistant.collection.rebuild()
    assert embedder.embedded == 0
    assert generation(data) != before
    assert_all_found(data, [])


def test_many_papers_with_one_text_are_no_damage(tmp_path: Path) -> None:
    same = [replace(paper(0), paper_id=f"copy{number}") for number in range(60)]
    told: list[str] = []
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder(), notify=told.append) as assistant:
        assert assistant.collection.ingest(entries(same)).added == 60
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder(), notify=told.append) as assistant:
        assert len(assistant.search(words_of(0), k=100)) == 60
        assert assistant.collection.snapshot().generation is not None
    assert told == []


def test_a_text_without_a_word_is_no_damage(tmp_path: Path) -> None:
    told: list[str] = []
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder(), notify=told.append) as assistant:
        wordless = replace(paper(1), title="???", abstract="!!! … !!!")
        assert assistant.collection.ingest(entries([paper(0), wordless])).added == 2
        assert assistant.search("coral", k=1)[0].paper_id == "p0"
        assert assistant.collection.snapshot().generation is not None
    assert told == []


# --- interruption --------------------------------------------------------------------------------------


def test_what_killed_writers_left_is_gone_after_the_next_write(data: Path) -> None:
    vectors, current = data / "vectors", generation(data)
    shutil.copytree(current, vectors / ".building-0123456789ab")
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest([])
        assert [path.name for path in vectors.iterdir()] == [current.name]
        shutil.copytree(current, vectors / ".building-0123456789ab")
        shutil.copytree(current, vectors / "0123456789ab")
        assistant.remove(["p1"])
    assert {path.name for path in vectors.iterdir()} == {current.name, generation(data).name}


@pytest.mark.parametrize("step", ["copytree", "rename", "upsert"])
def test_a_full_disk_while_the_index_is_built_leaves_the_one_in_use(
    data: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.search("coral")
        before = generation(data)
        with monkeypatch.context() as patch:
            if step == "copytree":
                patch.setattr(shutil, "copytree", full)
            if step in ("copytree", "upsert"):
                patch.setattr("citewell.store._upsert", full)
            else:
                patch.setattr(Path, "rename", full)
            with pytest.raises(CollectionError, match="No space left on device"):
                assistant.collection.ingest(entries([paper(400)]))
        assert generation(data) == before
        assert [path.name for path in (data / "vectors").iterdir()] == [before.name]
        assert assistant.search(words_of(3), k=1)[0].paper_id == "p3"
        assert assistant.collection.ingest(entries([paper(400)])).embedded == 0
        assert assistant.search(words_of(400), k=1)[0].paper_id == "p400"
        assert generation(data) != before


def test_a_full_disk_while_papers_are_stored_loses_nothing(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        db = assistant.collection.library.connection()
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(CollectionError, match="database or disk is full"):
            assistant.collection.ingest(entries([paper(number) for number in range(400, 900)]))
        assert assistant.search(words_of(3), k=1)[0].paper_id == "p3"
        db.execute("PRAGMA max_page_count = 1000000")
        assistant.collection.ingest(entries([paper(number) for number in range(400, 410)]))
        assert assistant.search(words_of(409), k=1)[0].paper_id == "p409"
        assert assistant.collection.library.check() is None


def test_a_damaged_library_is_told_in_one_line(data: Path) -> None:
    garble(data / "library.db")
    with pytest.raises(CollectionError, match=r"Cannot use the library .*library\.db: [^\n]+\Z"):
        Assistant.open(data, embedder=HashEmbedder()).search("coral")


def test_a_library_of_another_version_is_refused(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assistant.collection.library.connection().execute("PRAGMA user_version = 99")
    with pytest.raises(CollectionError, match="has schema 99, this Citewell reads 1"):
        Assistant.open(data, embedder=HashEmbedder())


def test_a_repair_that_fails_again_and_again_is_told_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        attempts.append(1)
        raise CollectionError(f"No room for index {len(attempts)}.")

    attempts: list[int] = []
    (generation(data) / "checksums.json").unlink()
    told: list[str] = []
    with Assistant.open(data, embedder=HashEmbedder(), notify=told.append) as assistant:
        with monkeypatch.context() as patch:
            patch.setattr(VectorStore, "begin", full)
            for number in range(3):
                assert assistant.search(words_of(number), k=1)[0].paper_id == f"p{number}"
        assert told == [REPAIR, "The vector index is missing or damaged and stays so: No room for index 1."]
        assert len(attempts) >= 3
        assert assistant.collection.snapshot().generation is not None
        (generation(data) / "checksums.json").unlink()
    assert_all_found(data, [REPAIR])


# --- folders that cannot be written --------------------------------------------------------------------

_READER = """
import json, os, sys
from citewell import Assistant
from citewell.errors import CollectionError
from fakes import HashEmbedder, entries, paper, words_of
import chromadb.api.rust, citewell.gate
data, scratch, warm = sys.argv[1:]
with Assistant.open(warm, embedder=HashEmbedder()) as assistant:  # what follows imports nothing any more
    assistant.collection.ingest(entries([paper(0)]))
    assistant.search(words_of(0))
if os.getuid() == 0:  # to whom nothing is read-only
    os.setgid(65534)
    os.setuid(65534)
assert not os.access(data, os.W_OK)
told = []
with Assistant.open(data, embedder=HashEmbedder(), notify=told.append) as assistant:
    ids = [assistant.search(words_of(number), k=1)[0].paper_id for number in (0, 181, 359)]
    held = assistant.collection.snapshot().generation.count()
    try:
        assistant.collection.ingest(entries([paper(400)]))
        refused = ""
    except CollectionError as error:
        refused = str(error)
print(json.dumps({"ids": ids, "held": held, "told": told, "refused": refused, "left": os.listdir(scratch)}))
"""


def test_a_read_only_folder_answers(data: Path, tmp_path: Path) -> None:
    # A folder of its own below /tmp: another user may not enter those of pytest.
    (tmp_path / "warm").mkdir()
    with tempfile.TemporaryDirectory() as name:
        open_to_all = Path(name)
        copy = Path(shutil.copytree(data, open_to_all / "data"))
        scratch = open_to_all / "scratch"
        scratch.mkdir()
        scratch.chmod(0o777)
        open_to_all.chmod(0o755)
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        read = subprocess.run(
            [sys.executable, "-c", _READER, copy, scratch, tmp_path / "warm"],
            env={**os.environ, "TMPDIR": str(scratch)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755)
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)
    assert found["ids"] == ["p0", "p181", "p359"]
    assert (found["held"], found["told"], found["left"]) == (360, [], [])
    assert found["refused"].startswith(f"Cannot write to {copy}: Permission denied.")


def test_an_index_of_which_one_file_cannot_be_written_is_read_from_a_copy(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).suffix != ".sqlite3" and allowed(path, mode)
    )
    with Assistant.open(data, embedder=HashEmbedder(), notify=pytest.fail) as assistant:
        found = assistant.collection.snapshot().generation
        assert found is not None
        assert found.path.name == generation(data).name
        assert data not in found.path.parents
        assert found.count() == 360
        assert assistant.search(words_of(181), k=1)[0].paper_id == "p181"
