"""A collection: the library and the vector store of one data directory, kept in step.

Reading never waits for writing. A writer holds the lock file, embeds first, commits batch by batch to the
library, then publishes a new vector generation; a kill at any point leaves the last published state, and what
was embedded so far is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from citewell.beside import Beside
from citewell.chunking import CHUNKER_VERSION
from citewell.durable import make_folder
from citewell.embedding import Embedder, open_embedder
from citewell.embedding.base import TokenEmbedder
from citewell.errors import CitewellError, CollectionBusyError, CollectionError
from citewell.indexing import CHECKED_WELL, Ahead, Indexing, Plan, finds_sample
from citewell.ingest import Consumed, Ingest, Progress, SilentProgress, workers
from citewell.library import Filters, Library, LibraryWriter, Manifest, Recipe, StoredPassages, write_lock
from citewell.library import create as create_library
from citewell.settings import Settings
from citewell.store import Generation, VectorStore, has_chunks
from citewell.types import Entry, IngestReport, Rejection
from citewell.vector_index import VectorIndex

__all__ = ["Collection", "Consumed", "Progress", "SilentProgress", "Snapshot"]

_CHECKED_AT_OPEN = 3
_GIVEN = "given:"  # marks a model that was passed in code

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the collection; `generation` is None when only the library can be searched."""

    manifest: Manifest
    generation: VectorIndex | None


class Collection:
    """Opens, reads and changes one data directory.

    Args:
        settings: where it is and how it is made.
        embedder: a model to use instead of the one that the settings name.
        notify: told in one line about repairs and degraded states.
        create: make an empty collection where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | None = None,
        notify: Callable[[str], None] = lambda message: None,
        create: bool = False,
    ) -> None:
        self.settings = settings
        self._given = embedder
        self._notify = notify
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._retired: VectorIndex | None = None
        self._passages: tuple[tuple[int, str], StoredPassages] | None = None
        self._complaint = ""
        self._failing = False  # to repair the index
        self._guard = threading.Lock()
        self.beside = Beside()
        self.store = VectorStore(settings.data_dir / "vectors")
        library_path = settings.data_dir / "library.db"
        if create and not library_path.exists():
            _make_data_dir(settings.data_dir)
            with write_lock(settings.data_dir):
                if not library_path.exists():
                    create_library(library_path)
        self.library = Library(library_path)

    # --- reading ---------------------------------------------------------------------------------------

    def passages(self, manifest: Manifest) -> StoredPassages:
        """Returns the passages of all papers, kept in memory; meant for collections of up to `exact_limit`."""
        state, kept = (manifest.revision, manifest.fingerprint), self._passages
        if kept is None or kept[0] != state:
            rows = self.library.matching(Filters())
            self._passages = kept = (state, self.library.passages(rows, manifest))
        return kept[1]

    def snapshot(self) -> Snapshot:
        """Returns the published state as of now; the vector index is opened, and repaired, on first use."""
        with self._guard:
            manifest = self.library.manifest()
            known = self._snapshot
            usable = known is not None and (known.generation is not None or manifest.papers == 0)
            if known is not None and usable and known.manifest.generation == manifest.generation:
                snapshot = replace(known, manifest=manifest)
            else:
                snapshot = self._open_snapshot(manifest)
                self._retire(known)
            self._snapshot = snapshot
        return snapshot

    def embedder(self, manifest: Manifest) -> Embedder:
        """Returns the model that made the vectors in use, whatever the settings ask for.

        Raises:
            CollectionError: it was passed in code when the vectors were made, and is not now.
        """
        if self._given is not None and (not manifest.fingerprint or _made_by(self._given, manifest)):
            return self._given
        spec = manifest.embedding or self.settings.embedding
        if not spec.startswith(_GIVEN):
            return self._embedder(spec, manifest)
        embedder = self._embedder(self.settings.embedding)
        if _made_by(embedder, manifest):
            return embedder
        raise CollectionError(
            f"The vectors in {self.settings.data_dir} were made by {spec.removeprefix(_GIVEN)}, an embedder "
            f"passed in code. Pass it again, or ingest again to use {self.settings.embedding}."
        )

    def warm(self) -> None:
        """Starts to load a local embedding model, to have it ready once the vector index is open."""
        embedder = self.embedder(self.library.manifest())
        if isinstance(embedder, TokenEmbedder):  # others would send a request, which may cost money
            # Not a daemon: a thread that is loading native code must not outlive the interpreter.
            threading.Thread(target=_load, args=(embedder,), name="citewell-warm").start()

    def close(self) -> None:
        """Releases the vector index, this thread's database connection and other threads."""
        self.beside.close()
        with self._guard:
            self._retire(self._snapshot)
            self._retire(None)
            self._snapshot = None
        self.library.close()

    def _retire(self, snapshot: Snapshot | None) -> None:
        """Closes the generation retired before this one: another thread may still be asking this one."""
        if self._retired is not None:
            self._retired.close()
        self._retired = snapshot.generation if snapshot is not None else None

    # --- writing ---------------------------------------------------------------------------------------

    def ingest(
        self,
        entries: Iterable[Entry | Rejection],
        progress: Progress | None = None,
        consumed: Consumed | None = None,
    ) -> IngestReport:
        """Adds entries to the collection and returns what became of them.

        Stored papers are embedded again if the model or the chunker has changed.

        Raises:
            CollectionBusyError: another process is writing.
        """
        started = perf_counter()
        progress, consumed = progress or SilentProgress(), consumed or Consumed()
        with self._writing():
            embedder, recipe = self.wanted()
            before = self.library.manifest().fingerprint
            with self._ahead(recipe) as ahead:
                with workers(embedder, self._given, self.settings) as worker:
                    ingest = Ingest(
                        self.library, worker, recipe, self.settings, progress, consumed, ahead.follow
                    )
                    ingest.run(entries)
                    ingest.refresh()
                report = ingest.report()
                if self._sync(recipe, progress, ahead=ahead):
                    # Readers in the middle of a question still need the vectors of the model before.
                    LibraryWriter(self.library).prune({recipe.fingerprint, before})
        return replace(report, seconds=round(perf_counter() - started, 3))

    def change(self, work: Callable[[LibraryWriter], T], progress: Progress | None = None) -> T:
        """Does `work` in one transaction, then publishes the vector index; returns what `work` returns.

        Raises:
            CollectionBusyError: another process is writing.
        """
        with self._writing():
            before, writer = self.library.manifest().revision, LibraryWriter(self.library)
            with writer.transaction():
                done = work(writer)
            after = self.library.manifest()
            if after.revision != before:
                self._sync(after.recipe, progress or SilentProgress())
        return done

    def remove(self, paper_ids: Sequence[str]) -> int:
        """Removes papers; returns how many there were."""
        return self.change(lambda writer: sum(writer.remove(paper_id) for paper_id in paper_ids))

    def check_writable(self) -> None:
        """Takes the write lock and gives it back.

        Raises:
            CollectionBusyError: another process is writing.
            CollectionError: the data directory cannot be written to.
        """
        with write_lock(self.settings.data_dir):
            pass

    def rebuild(self, progress: Progress | None = None) -> None:
        """Makes the vector index again from the library, embedding nothing that is stored already."""
        progress = progress or SilentProgress()
        with self._writing(rebuild=True):
            embedder, recipe = self.wanted()
            with workers(embedder, self._given, self.settings) as worker:
                Ingest(self.library, worker, recipe, self.settings, progress, Consumed()).refresh()
            self._publish(recipe, progress, Plan("", self._wants_chunks(self.library.manifest())))

    @contextmanager
    def _writing(self, rebuild: bool = False) -> Iterator[None]:
        """Holds the right to write; `rebuild` says that the vector index is made again, whatever it holds now."""
        with write_lock(self.settings.data_dir):
            yield

    # --- the vector index ------------------------------------------------------------------------------

    def open_index(self, manifest: Manifest) -> VectorIndex:
        """Opens the vector index in use, as it is.

        Raises:
            CollectionError: it is missing or damaged.
        """
        return self.store.open(manifest.generation)

    def _open_snapshot(self, manifest: Manifest) -> Snapshot:
        """Opens the vector index; one that is missing, damaged or behind the library is repaired first."""
        if manifest.papers == 0:
            return Snapshot(manifest, None)
        found = self._published()
        if found.generation is not None and not self._stale(found.manifest):
            return found
        why = "is missing or damaged" if found.generation is None else "is behind the library"
        try:
            with write_lock(self.settings.data_dir):
                if self.library.manifest().generation == found.manifest.generation:
                    if not self._failing:  # else this is one more attempt, with every question
                        self._notify(f"The vector index {why}; bringing it up to date from the library.")
                    self._sync(found.manifest.recipe, SilentProgress(), afresh=found.generation is None)
                self._failing = False
        except CollectionBusyError:
            return found  # the writer publishes another one
        except CollectionError as error:
            if not self._failing:  # the error may name another new index with every attempt
                self._complain(f"The vector index {why} and stays so: {error}")
            self._failing = True
            return found
        if found.generation is not None:
            found.generation.close()
        return self._published()

    def _complain(self, message: str) -> None:
        """Tells of a state that lasts, once and not with every question."""
        if message != self._complaint:
            self._complaint = message
            self._notify(message)

    def _published(self) -> Snapshot:
        """Opens the generation in use; it is None if it is missing or damaged."""
        while True:
            manifest = self.library.manifest()
            generation = self._healthy(manifest)
            # While it was opened, a writer may have published others and swept it away.
            if generation is not None or self.library.manifest().generation == manifest.generation:
                return Snapshot(manifest, generation)

    def _healthy(self, manifest: Manifest) -> Generation | None:
        if not manifest.generation:
            return None
        generation: Generation | None = None
        with suppress(CollectionError):
            generation = self.store.open(manifest.generation)
            if any(
                finds_sample(self.library, generation, manifest, samples)
                for samples in (_CHECKED_AT_OPEN, CHECKED_WELL)
            ):
                return generation
        if generation is not None:
            generation.close()
        return None

    def _stale(self, manifest: Manifest) -> bool:
        since = manifest.generation_revision
        return bool(self.library.changed_since(since, limit=1) or self.library.removed_since(since))

    def _sync(
        self, recipe: Recipe, progress: Progress, afresh: bool = False, ahead: Ahead | None = None
    ) -> bool:
        """Publishes a generation that shows the library as it is now, unless the one in use does.

        Args:
            recipe: what its vectors are made with.
            progress: told how far it is.
            afresh: whether the one in use is of no use, not even to start from.
            ahead: may have made most of it already.

        Returns:
            Whether a generation was published.
        """
        manifest = self.library.manifest()
        plan = Plan("", self._wants_chunks(manifest)) if afresh else self._plan(recipe, manifest)
        if plan.base and not self._stale(manifest):
            self.store.sweep_leftovers(manifest.generation)
            return False
        try:
            self._publish(recipe, progress, plan, ahead)
        except CollectionError:
            if not plan.base:
                raise
            self._notify(
                "The vector index is damaged or of another version; building it again from the library."
            )
            self._publish(recipe, progress, plan._replace(base=""))
        return True

    def _plan(self, recipe: Recipe, manifest: Manifest) -> Plan:
        """Returns how the next generation is made: from the one in use, if that is of the same kind."""
        chunks = self._wants_chunks(manifest)
        held = manifest.fingerprint == recipe.fingerprint and self.store.holds(manifest.generation)
        sound = held and has_chunks(manifest.generation) == chunks
        return Plan(manifest.generation if sound else "", chunks)

    def _ahead(self, recipe: Recipe) -> Ahead:
        """Returns what makes the index while papers are embedded, unless stored papers have no vectors yet."""
        lacking = LibraryWriter(self.library).count_without_passages(recipe.fingerprint)
        return Ahead(self.library, self.store, recipe, None if lacking else partial(self._plan, recipe))

    def _wants_chunks(self, manifest: Manifest) -> bool:
        return manifest.papers <= self.settings.chunk_index_limit

    def _publish(self, recipe: Recipe, progress: Progress, plan: Plan, ahead: Ahead | None = None) -> None:
        begun = ahead.take(plan) if ahead is not None else None
        with closing(begun or Indexing(self.library, self.store, recipe, plan)) as indexing:
            indexing.publish(progress)

    # --- models ----------------------------------------------------------------------------------------

    def wanted(self) -> tuple[Embedder, Recipe]:
        """Returns the model that new papers are embedded with, and what vectors are made with then."""
        embedder = self._given or self._embedder(self.settings.embedding)
        spec = f"{_GIVEN}{embedder.name}" if embedder is self._given else self.settings.embedding
        fingerprint = f"{embedder.fingerprint}|{CHUNKER_VERSION}-{self.settings.chunk_tokens}"
        return embedder, Recipe(spec, fingerprint, embedder.dim)

    def _embedder(self, spec: str, manifest: Manifest | None = None) -> Embedder:
        with self._loading:
            if spec not in self._embedders:
                embedder = open_embedder(spec)
                if manifest is not None and manifest.papers and not _made_by(embedder, manifest):
                    self._notify(
                        f"{embedder.name} is not the model that made the vectors in "
                        f"{self.settings.data_dir}: it has changed since. Ingest again."
                    )
                self._embedders[spec] = embedder
            return self._embedders[spec]


def _made_by(embedder: Embedder, manifest: Manifest) -> bool:
    """Returns whether the vectors in use come from this model, whatever the chunks were."""
    return manifest.fingerprint.rpartition("|")[0] == embedder.fingerprint


def _load(embedder: TokenEmbedder) -> None:
    with suppress(CitewellError):  # the question that needs the model meets the same error and tells it
        embedder.embed_tokens("a")


def _make_data_dir(path: Path) -> None:
    try:
        make_folder(path)
    except OSError as error:
        raise CollectionError(
            f"Cannot make the data directory {path}: {error.strerror}. Choose --data-dir."
        ) from error
