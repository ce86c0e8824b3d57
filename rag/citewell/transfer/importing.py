"""Reading a collection from the file that an export wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np

from citewell.errors import UsageError
from citewell.index import Collection
from citewell.ingest import Progress
from citewell.library import LibraryWriter, Recipe, content_hash, digest_with, write_lock
from citewell.library.upkeep import check_room
from citewell.served import collection_of
from citewell.settings import Settings
from citewell.transfer.container import ExportedFile
from citewell.transfer.records import BadRecordError, Record, from_line
from citewell.types import Entry

_BATCH = 256  # papers whose vectors are taken over in one transaction
_COPIES = 3  # of the papers at most, while they are imported: library, its log of changes, vector index
_NOTHING = "0" * 32


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read, and what became of it; `collection` is the digest of the collection afterwards."""

    file: str
    papers: int
    added: int
    updated: int
    unchanged: int
    embedded: int
    collection: str
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """The JSON document that `citewell import --json` prints."""
        return asdict(self)


def import_file(
    settings: Settings,
    path: Path,
    progress: Progress,
    merging: bool = False,
    notify: Callable[[str], None] = lambda message: None,
) -> Imported:
    """Reads an exported file into the collection of a data directory, which is made if there is none.

    Whatever is wrong with the file is found before anything is changed.

    Args:
        settings: where the collection is.
        path: the file.
        progress: told of every paper.
        merging: whether the papers are added to those of a collection that holds some.
        notify: told in one line about repairs and vectors that are of no use.

    Raises:
        UsageError: the file cannot be used, or the collection holds papers and is not to be added to.
        CollectionBusyError: another process is writing.
        CollectionError: the data directory cannot be written to, or there is too little space.
    """
    if not merging and (settings.data_dir / "library.db").exists():
        with closing(collection_of(settings)) as collection:
            check_empty(collection)
    check(path, settings, progress)
    with _opened(path, settings) as file:
        check_room(settings.data_dir, _COPIES * file.header.expanded, "importing this file")
    with closing(collection_of(settings, notify=notify, create=True)) as collection:
        if merging and collection.library.manifest().papers:
            return merge(collection, path, progress, notify)
        return restore(collection, path, progress)


def check(path: Path, settings: Settings, progress: Progress) -> None:
    """Reads the whole file and takes nothing from it.

    Raises:
        UsageError: it is not what an export wrote: cut off, changed, of another program or a newer Citewell, or
            made to harm.
    """
    with _opened(path, settings) as file:
        file.check_sum()
        progress.start("checking", file.header.papers)
        for _ in _records(file, settings):
            progress.advance(1)


def restore(collection: Collection, path: Path, progress: Progress) -> Imported:
    """Puts the papers of a file into an empty collection, all or none, and publishes the vector index.

    They keep their ids, and the collection its digest. Check the file first.

    Raises:
        UsageError: the file is damaged, or the collection holds papers.
        CollectionError: the disk is full.
    """
    started, settings = perf_counter(), collection.settings
    with _opened(path, settings) as file:
        header = file.header
        recipe = Recipe(header.embedding, header.fingerprint, header.dim)

        def fill(writer: LibraryWriter) -> None:
            check_empty(collection)
            manifest = replace(collection.library.manifest(), **recipe._asdict())
            if recipe.fingerprint:
                writer.publish(replace(manifest, generation="", generation_revision=0))
            progress.start("importing", header.papers)
            for record in _records(file, settings):
                _take_vectors(writer, record, recipe.fingerprint)
                writer.restore(record.paper, record.keys)
                progress.advance(1)

        collection.change(fill, progress)
    return Imported(
        file=str(path),
        papers=header.papers,
        added=header.papers,
        updated=0,
        unchanged=0,
        embedded=0,
        collection=collection.library.manifest().digest,
        seconds=round(perf_counter() - started, 3),
    )


def merge(
    collection: Collection,
    path: Path,
    progress: Progress,
    notify: Callable[[str], None] = lambda message: None,
) -> Imported:
    """Adds the papers of a file to a collection as `ingest` does, without embedding what the file has vectors of.

    Vectors of another model or chunker are of no use here: those papers are embedded. Check the file first.

    Raises:
        UsageError: the file is damaged.
        CollectionBusyError: another process is writing.
        CollectionError: the disk is full.
    """
    started, settings = perf_counter(), collection.settings
    with _opened(path, settings) as file:
        _, recipe = collection.wanted()
        if recipe.fingerprint == file.header.fingerprint:
            _take_all_vectors(collection, file, progress)
        else:
            notify(f"The vectors of {path} are of another model or chunker: its papers are embedded again.")
        progress.start("merging", file.header.papers)
        report = collection.ingest(_entries(file, settings, progress), _Quietly(progress))
    return Imported(
        file=str(path),
        papers=file.header.papers,
        added=report.added,
        updated=report.updated,
        unchanged=report.unchanged + report.duplicates,
        embedded=report.embedded,
        collection=collection.library.manifest().digest,
        seconds=round(perf_counter() - started, 3),
    )


def check_empty(collection: Collection) -> None:
    """Raises UsageError if the collection holds papers."""
    held = collection.library.manifest().papers
    if held:
        raise UsageError(
            f"The collection at {collection.settings.data_dir} holds {held:,} papers. Give --merge to add those of "
            "the file to it, or --data-dir for a new one."
        )


class _Quietly:
    """Hands on the stages of an ingest but not its steps, which are counted elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._counts = False

    def start(self, stage: str, total: int) -> None:
        """Opens a stage, from which on steps are handed on."""
        self._counts = True
        self._progress.start(stage, total)

    def advance(self, amount: float) -> None:
        """Moves on in a stage opened here."""
        if self._counts:
            self._progress.advance(amount)

    def papers(self, count: int) -> None:
        """Hands on the papers stored."""
        self._progress.papers(count)


def _opened(path: Path, settings: Settings) -> ExportedFile:
    return ExportedFile(path, settings.max_expanded_bytes, settings.max_expansion_ratio)


def _records(file: ExportedFile, settings: Settings) -> Iterator[Record]:
    """Yields the papers of a file; that they are those of the header is known when it ends.

    Raises:
        UsageError: a line is no paper, a paper comes twice, or they are not those of the header.
    """
    header, digest, ids = file.header, _NOTHING, set[str]()
    for number, line in enumerate(file.lines(), 1):
        try:
            record = from_line(line, header.dim)
        except BadRecordError as error:
            raise file.fault(f"is no collection of papers, by record {number}: {error}") from error
        paper = record.paper
        if paper.paper_id in ids:
            raise file.fault(f"holds the paper {paper.paper_id!r} twice")
        if len(paper.title) > settings.max_title_chars or len(paper.abstract) > settings.max_abstract_chars:
            raise file.fault(f"holds a title or an abstract of record {number} that is too long to be one")
        ids.add(paper.paper_id)
        digest = digest_with(digest, paper.paper_id, content_hash(paper.title, paper.abstract))
        yield record
    if (len(ids), digest) != (header.papers, header.collection):
        raise file.fault(f"does not hold the {header.papers:,} papers that it names")


def _entries(file: ExportedFile, settings: Settings, progress: Progress) -> Iterator[Entry]:
    for number, record in enumerate(_records(file, settings), 1):
        yield Entry(record.paper, str(file.path), number)
        progress.advance(1)


def _take_all_vectors(collection: Collection, file: ExportedFile, progress: Progress) -> None:
    progress.start("taking over vectors", file.header.papers)
    records = _records(file, collection.settings)
    with write_lock(collection.settings.data_dir):
        writer = LibraryWriter(collection.library)
        while batch := list(islice(records, _BATCH)):
            with writer.transaction():
                for record in batch:
                    _take_vectors(writer, record, file.header.fingerprint)
            progress.advance(len(batch))


def _take_vectors(writer: LibraryWriter, record: Record, fingerprint: str) -> None:
    if record.passages is None or not fingerprint:
        return
    spans, abstract, chunks = record.passages
    writer.add_passages(record.paper, fingerprint, spans, np.vstack([abstract[None, :], chunks]))
