"""Making the vector index of a library: a new generation follows the library, is checked by queries, then published.

It may follow while papers are still being embedded, which hides the time that it takes where a processor is idle.
Nothing that readers see changes before it is published, and whatever becomes of it, the library has everything to
make it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from citewell.errors import CollectionError
from citewell.ingest import Progress, SilentProgress
from citewell.library import Library, LibraryWriter, Manifest, Recipe
from citewell.store import Generation, VectorStore
from citewell.vector_index import PaperVectors, tolerated

_AT_ONCE = 500  # papers whose vectors are in memory
CHECKED_WELL = 16  # papers that an index is asked for when it is made


class Plan(NamedTuple):
    """How a generation is made: from a copy of `base`, if that is not empty, and with or without chunk vectors."""

    base: str
    chunks: bool


class Indexing:
    """A generation in the making; hold the write lock, and close it, published or not.

    Args:
        library: what it shows.
        store: where it is made.
        recipe: what its vectors are made with.
        plan: how it is made.

    Raises:
        CollectionError: the base is damaged, or the new generation cannot be written.
    """

    def __init__(self, library: Library, store: VectorStore, recipe: Recipe, plan: Plan) -> None:
        self.plan = plan
        self._library = library
        self._store = store
        self._recipe = recipe
        self._shown = library.manifest().generation_revision if plan.base else 0
        self._building = store.begin(plan.base, plan.chunks)

    def follow(self, progress: Progress) -> None:
        """Takes in what has become of the library since the last time; all of its papers have vectors.

        Raises:
            CollectionError: the generation cannot be written, and is of no more use.
        """
        manifest = self._library.manifest()
        made_with = replace(manifest, **self._recipe._asdict())
        generation, since = self._building.generation, self._shown
        if since:
            generation.remove(self._library.removed_since(since))
        for rows in self._changed_rows(since):
            generation.add(vectors_of(self._library, rows, made_with))
            progress.advance(len(rows))
        self._shown = manifest.revision

    def publish(self, progress: Progress) -> None:
        """Makes it the generation in use, with all papers of the library, and deletes those before the last.

        Raises:
            CollectionError: it cannot be written, or does not find what it holds.
        """
        old = self._library.manifest()
        left = self._library.count_changed(self._shown)
        if left:
            progress.start("indexing", left)
        self.follow(progress)
        new = replace(old, **self._recipe._asdict(), generation_revision=self._shown)
        if not finds_sample(self._library, self._building.generation, new, CHECKED_WELL):
            raise CollectionError("The new vector index does not find papers it holds.")
        new = replace(new, generation=self._building.finish())
        writer = LibraryWriter(self._library)
        with writer.transaction():
            writer.publish(new)
        self._store.sweep(keep=[new.generation, old.generation])

    def close(self) -> None:
        """Deletes it unless it is published."""
        self._building.close()

    def _changed_rows(self, since: int) -> Iterator[list[int]]:
        last = 0
        while rows := self._library.changed_since(since, limit=_AT_ONCE, after=last):
            yield rows
            last = rows[-1]


class Ahead:
    """Makes the index while papers are being embedded, once there is anything to take in.

    Where that fails it gives up without a word: the index is made, and what is wrong told, when all papers are stored.

    Args:
        library: what is followed.
        store: where the index is made.
        recipe: what its vectors are made with.
        plan: tells how the next generation is made; None to make nothing ahead.
    """

    def __init__(
        self, library: Library, store: VectorStore, recipe: Recipe, plan: Callable[[Manifest], Plan] | None
    ) -> None:
        self._library = library
        self._store = store
        self._recipe = recipe
        self._plan = plan
        self._indexing: Indexing | None = None
        self._seen = library.manifest().revision

    def follow(self) -> None:
        """Takes in what was stored since the last time; all stored papers have vectors."""
        manifest = self._library.manifest()
        if self._plan is None or manifest.revision == self._seen:
            return
        self._seen = manifest.revision
        try:
            self._following(self._plan(manifest)).follow(SilentProgress())
        except CollectionError:
            self._plan = None
            self._drop()

    def take(self, plan: Plan) -> Indexing | None:
        """Hands over what it has made, if it was made like that."""
        made, self._indexing = self._indexing, None
        if made is None or made.plan == plan:
            return made
        made.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def _following(self, plan: Plan) -> Indexing:
        if self._indexing is not None and self._indexing.plan != plan:
            self._drop()
        if self._indexing is None:
            self._indexing = Indexing(self._library, self._store, self._recipe, plan)
        return self._indexing

    def _drop(self) -> None:
        if self._indexing is not None:
            self._indexing.close()
            self._indexing = None


def vectors_of(library: Library, rows: Sequence[int], manifest: Manifest) -> list[PaperVectors]:
    """Returns the vectors that a manifest tells of, of those papers that have them."""
    ids = library.ids(rows)
    passages = library.passages(rows, manifest)
    return [
        PaperVectors(ids[row], passages[row].abstract, passages[row].chunks)
        for row in rows
        if row in passages
    ]


def finds_sample(library: Library, generation: Generation, manifest: Manifest, samples: int) -> bool:
    """Returns whether the index finds papers it must hold: a count can be right while vectors are unsearchable."""
    rows = library.sample(manifest.generation_revision, samples)
    asked = vectors_of(library, rows, manifest)
    return tolerated(len(generation.missed(asked)), len(asked))
