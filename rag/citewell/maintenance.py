"""Taking papers out of a collection, and giving back the disk space that it no longer needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import perf_counter

from citewell.cache import AnswerCache
from citewell.errors import CitewellError, UsageError
from citewell.index import Collection
from citewell.library import Filters, LibraryWriter, write_lock
from citewell.library.upkeep import check_room, compact, size, sweep_unfinished

_NAMED = 5  # ids or listings that an error names
_COPIES = 2  # of the library while it is rewritten: one aside, one in its log of changes
_MARGIN = 10**6  # bytes


# --- removing -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be removed, or was.

    Attributes:
        papers: ids of papers, which go altogether.
        kept: ids of papers that only lose a listing, as they stand on other pages too.
        listing: the page or file that is taken off, if any.
    """

    papers: tuple[str, ...]
    kept: tuple[str, ...] = ()
    listing: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The papers by what becomes of them, in the JSON document of `citewell remove --json`."""
        return {"removed": list(self.papers), "unlisted": list(self.kept), "listing": self.listing}


def plan_removal(collection: Collection, paper_ids: Sequence[str], listing: str | None) -> Removal:
    """Returns what removing papers, and all that only one page or file listed, would do.

    Raises:
        UsageError: there is no such paper or listing, or neither is named.
    """
    library, named = collection.library, list(dict.fromkeys(paper_ids))
    if not named and listing is None:
        raise UsageError("Name the papers to remove by their ids, or a page with --listing NAME.")
    known = library.rows_of(named)
    if unknown := [paper_id for paper_id in named if paper_id not in known]:
        raise UsageError(
            f"{_listed(unknown)} {'is' if len(unknown) == 1 else 'are'} not in this collection. Nothing was removed. "
            "`citewell search` prints the ids."
        )
    if listing is None:
        return Removal(tuple(named))
    sources = dict.fromkeys(source for source, _, _ in library.listings())
    if listing not in sources:
        there = f"There are {_listed(list(sources))}." if sources else "There are none."
        raise UsageError(f"There is no listing {listing!r}. Nothing was removed. {there}")
    rows = library.matching(Filters(listings=(listing,)))
    gone, kept = list(named), list[str]()
    for paper in library.papers(rows).values():
        own = {entry.source for entry in paper.listings}
        if listing in own and paper.paper_id not in known:
            (gone if own == {listing} else kept).append(paper.paper_id)
    return Removal(tuple(gone), tuple(kept), listing)


def remove(collection: Collection, removal: Removal) -> None:
    """Removes what was planned, all or nothing, and publishes the vector index.

    Raises:
        UsageError: the collection has changed since.
        CollectionBusyError: another process is writing.
    """

    def work(writer: LibraryWriter) -> None:
        gone = [paper_id for paper_id in removal.papers if not writer.remove(paper_id)]
        rows = collection.library.rows_of(removal.kept)
        if gone or len(rows) != len(removal.kept):
            raise UsageError("The collection has changed meanwhile. Nothing was removed. Try again.")
        if removal.listing is not None:
            writer.unlist(list(rows.values()), removal.listing)

    collection.change(work)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


# --- giving space back ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """Bytes of each part before and after, and the passages dropped that no paper had."""

    before: Mapping[str, int]
    after: Mapping[str, int]
    passages: int
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """The JSON document that `citewell vacuum --json` prints."""
        return {**asdict(self), "freed": sum(self.before.values()) - sum(self.after.values())}


def vacuum(collection: Collection, notify: Callable[[str], None] = lambda message: None) -> Vacuumed:
    """Gives back the space of removed papers, of models no longer used, of old indexes and of answers.

    Others may read meanwhile.

    Raises:
        CollectionBusyError: another process is writing.
        CollectionError: there is too little space for the copy that this takes, or the library is damaged.
    """
    started, data_dir = perf_counter(), collection.settings.data_dir
    answers = AnswerCache(data_dir / "answers.db", 1, notify)
    with write_lock(data_dir):
        before = _sizes(collection)
        check_room(data_dir, _COPIES * before["library"] + _MARGIN, "rewriting the library")
        manifest = collection.library.manifest()
        used = {manifest.fingerprint}
        with suppress(
            CitewellError
        ):  # the model of the settings may not be there; then nothing is kept for it
            used.add(collection.wanted()[1].fingerprint)
        passages = compact(collection.library, used)
        sweep_unfinished(collection.library.path)
        collection.store.sweep(keep=[manifest.generation])
        answers.compact()
        after = _sizes(collection)
    return Vacuumed(before, after, passages, round(perf_counter() - started, 3))


def _sizes(collection: Collection) -> dict[str, int]:
    answers = [collection.settings.data_dir / f"answers.db{suffix}" for suffix in ("", "-wal")]
    return {
        "library": size(collection.library),
        "vectors": collection.store.size(),
        "answers": sum(file.stat().st_size for file in answers if file.exists()),
    }
