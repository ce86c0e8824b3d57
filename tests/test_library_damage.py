"""Damage that SQLite does not notice, or only on the way through the rows, is told in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from citewell import Assistant
from citewell.errors import CollectionError
from fakes import HashEmbedder, entries, paper, word, words_of

CURE = r"Import a backup into another folder: `citewell import FILE --data-dir DIR`\.\Z"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder()) as assistant:
        assistant.collection.ingest(entries([paper(number) for number in range(60)]))
    return tmp_path / "data"


def change(data: Path, statement: str, *values: object) -> None:
    """Changes the file behind Citewell's back."""
    with closing(sqlite3.connect(data / "library.db")) as library, library:
        library.execute(statement, values)
    with closing(sqlite3.connect(data / "library.db")) as library:
        library.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_changed_letter_is_never_quoted(data: Path) -> None:
    library = data / "library.db"
    said = b"We measured the " + word(7).encode()
    library.write_bytes(library.read_bytes().replace(said, b"Wo" + said[2:]))
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        for asked in (
            lambda: assistant.search(words_of(7)),
            lambda: assistant.show("p7"),
            lambda: assistant.ask(f"In how many places was {word(7)} measured?"),
        ):
            with pytest.raises(
                CollectionError, match="the text of 'p7' is not the one that was stored. " + CURE
            ):
                asked()
        assert "the text of 'p7'" in str(assistant.collection.library.check())
        assert assistant.show("p8").abstract == paper(8).abstract


@pytest.mark.parametrize(
    ("statement", "value", "told"),
    [
        (
            "UPDATE papers SET authors = ? WHERE paper_id = 'p7'",
            "[no JSON",
            "what it says about 'p7' cannot be read",
        ),
        (
            "UPDATE papers SET categories = ? WHERE paper_id = 'p7'",
            "",
            "what it says about 'p7' cannot be read",
        ),
        (
            "UPDATE papers SET url = CAST(? AS TEXT) WHERE paper_id = 'p7'",
            b"\xff\xfe",
            "a text in it is not UTF-8",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_named(data: Path, statement: str, value: object, told: str) -> None:
    change(data, statement, value)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        with pytest.raises(CollectionError, match=rf"The library .*library\.db is damaged: {told}\. {CURE}"):
            assistant.show("p7")
        assert assistant.collection.library.check() is not None


@pytest.mark.parametrize(
    ("change_of", "told"),
    [
        (lambda vectors: b"\xff\x7b" + vectors[2:], "a vector in it is longer than any that is stored"),
        (
            lambda vectors: b"\xff\x7f" + vectors[2:],
            "a vector in it is longer than any that is stored",
        ),  # nan
        (lambda vectors: vectors[2:], "there are not as many vectors as passages"),
    ],
)
def test_vectors_that_cannot_be_are_told(data: Path, change_of: Callable[[bytes], bytes], told: str) -> None:
    with closing(sqlite3.connect(data / "library.db")) as library:
        key, vectors = library.execute("SELECT content_hash, vectors FROM passages").fetchone()
    change(data, "UPDATE passages SET vectors = ? WHERE content_hash = ?", change_of(vectors), key)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        with pytest.raises(CollectionError, match=rf"is damaged: {told}\. {CURE}"):
            assistant.search(words_of(7))
        assert told in str(assistant.collection.library.check())


def test_the_check_compares_the_index_of_words_with_the_texts(data: Path) -> None:
    change(data, "UPDATE papers_fts_content SET c1 = 'another text' WHERE id = 7")
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        assert str(assistant.collection.library.check()).startswith("the index of words is damaged: ")


def test_the_check_leaves_the_words_alone_where_somebody_writes(data: Path) -> None:
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        with closing(sqlite3.connect(data / "library.db", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert assistant.collection.library.check() is None
            writer.execute("ROLLBACK")
        assert assistant.collection.library.check() is None
        assert assistant.collection.library.connection().execute("PRAGMA busy_timeout").fetchone() == (
            30_000,
        )


def test_damage_met_on_the_way_through_the_rows_is_told_like_any_other(data: Path) -> None:
    library = data / "library.db"
    with closing(sqlite3.connect(library)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'papers'").fetchone()
    content = bytearray(library.read_bytes())
    last = int.from_bytes(
        content[(root - 1) * size + 8 : (root - 1) * size + 12]
    )  # the last child of the table
    content[(last - 1) * size : last * size] = bytes(size)
    library.write_bytes(content)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:
        connection = assistant.collection.library.connection()
        read = []
        with pytest.raises(
            CollectionError, match=rf"Cannot use .*: database disk image is malformed\. {CURE}"
        ):
            for (row,) in connection.execute("SELECT row FROM papers NOT INDEXED ORDER BY row"):
                read.append(row)
        assert read  # the damage is not at the beginning
        with pytest.raises(CollectionError, match=CURE):
            connection.execute("SELECT row, url FROM papers NOT INDEXED").fetchall()
