"""A collection whose vectors are on a Chroma server: each process answers from its own copy of the library.

Before a question the copy is compared with what is published, at most every few seconds, and what changed is pulled.
While the server is away, questions are answered from the copy, and whatever was ingested waits there to be published.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from citewell.chroma_generation import ServedGeneration
from citewell.chroma_server import ChromaServer, Lease
from citewell.embedding import Embedder
from citewell.errors import ChromaServerError, CollectionBusyError, CollectionError
from citewell.index import Collection, Snapshot
from citewell.indexing import Ahead, Plan
from citewell.ingest import Progress, SilentProgress
from citewell.library import LibraryWriter, Manifest, Recipe, Replica, ServedState, write_lock
from citewell.publishing import Push
from citewell.settings import Settings
from citewell.store import has_chunks
from citewell.vector_index import VectorIndex

LOOK_EVERY = 3.0  # seconds between two looks at the server
_PATIENCE = 0.5  # seconds that a question waits for a server that did not answer the last time
_WORTH_TELLING = 1_000  # records


def collection_of(
    settings: Settings,
    embedder: Embedder | None = None,
    notify: Callable[[str], None] = lambda message: None,
    create: bool = False,
    follow: bool = True,
) -> Collection:
    """Returns the collection of a data directory, or of a Chroma server if the settings name one.

    Args:
        settings: where it is and how it is made.
        embedder: a model to use instead of the one that the settings name.
        notify: told in one line about repairs and degraded states.
        create: make an empty collection where there is none; a copy of a server's is always made.
        follow: whether the copy is brought up to date now.
    """
    if not settings.chroma_url:
        return Collection(settings, embedder, notify, create)
    collection = ServedCollection(settings, embedder, notify)
    if follow:
        collection.follow()
    return collection


class ServedCollection(Collection):
    """Opens, reads and changes a collection on a Chroma server.

    Args:
        settings: where the server and the copy are.
        embedder: a model to use instead of the one that the settings name.
        notify: told in one line about repairs and degraded states.
        clock: seconds, for how often the server is looked at.
        now: the time that leases are measured by; by default the server's.

    Raises:
        UsageError: the address, the headers or the authority file cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | None = None,
        notify: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(settings, embedder, notify, create=True)
        self.server = ChromaServer(settings, now)
        self._replica = Replica(self.library)
        self._clock = clock
        self._look_at = clock()
        self._looking = threading.Lock()
        self._is_away = False
        self._heard = threading.Event()  # the server has answered a look, or the look is over
        self._index: ServedGeneration | None = None
        self._lease: Lease | None = None
        self.server.wire  # noqa: B018 (bad settings are told now)

    # --- reading ---------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Returns the state of the copy, after a look at the server if the last one is some seconds ago."""
        if self._clock() >= self._look_at and self._looking.acquire(blocking=self._snapshot is None):
            if self._is_away and self._snapshot is not None:
                self._look_beside()
            else:
                self._look()
        with self._guard:
            manifest = self.library.manifest()
            self._snapshot = Snapshot(manifest, self._index_of(manifest))
        return self._snapshot

    def _look(self) -> None:
        """Looks at the server, unless another thread has just done so, and lets others look again."""
        try:
            if self._clock() >= self._look_at:
                self.follow()
        finally:
            self._looking.release()

    def _look_beside(self) -> None:
        """Looks at a server that was away; a question waits for the look to end only if the server answers at once.

        Where packets are lost, each look takes seconds before it fails.
        """
        self._heard.clear()
        # A daemon, as the interpreter would wait for it; one that is cut off leaves a copy that is made on.
        look = threading.Thread(target=self._look_and_end, name="citewell-look", daemon=True)
        look.start()
        if self._heard.wait(_PATIENCE):
            look.join()

    def _look_and_end(self) -> None:
        try:
            self._look()
        finally:
            self._heard.set()
            self.library.close()

    def follow(self) -> None:
        """Brings the copy up to date, and the server if the copy is ahead; tells of what stays behind."""
        try:
            state = self.server.state()
            self._heard.set()
            self._tell_it_is_back()
            if not self._is_current(state):
                with write_lock(self.settings.data_dir):
                    self._pull(state)
            if self._replica.is_ahead() or (state is None and self.library.manifest().papers):
                self._catch_up()
        except CollectionBusyError:
            pass  # the writer brings it up to date
        except ChromaServerError as error:
            self._note_absence(error)
        except CollectionError as error:
            self._complain(str(error))
        finally:
            self._look_at = self._clock() + LOOK_EVERY

    def open_index(self, manifest: Manifest) -> VectorIndex:
        """Returns the index that the copy was made from.

        Raises:
            CollectionError: nothing was taken over from the server yet.
        """
        if not manifest.generation or manifest.generation != self._replica.held().generation:
            raise CollectionError(f"Nothing is published yet on {self.server.url} from this data directory.")
        return ServedGeneration(self.server, manifest.generation)

    def check_writable(self) -> None:
        """Takes the write lock and gives it back, and asks who writes to the server.

        Raises:
            CollectionBusyError: another process is writing, here or on another machine.
            CollectionError: the data directory cannot be written to, or the server does not answer.
        """
        super().check_writable()
        owner = self.server.holder()
        if owner is not None:
            raise CollectionBusyError(
                f"{self.server.name} on {self.server.url} is being written to by {owner}."
            )

    def close(self) -> None:
        """Releases connections; what was published stays."""
        super().close()
        self.server.close()

    def _index_of(self, manifest: Manifest) -> ServedGeneration | None:
        if self._is_away or not manifest.generation:
            return None
        if self._index is None or self._index.name != manifest.generation:
            if self._replica.held().generation != manifest.generation:
                return None
            self._index = ServedGeneration(self.server, manifest.generation, failed=self._failed)
        return self._index

    def _failed(self, error: ChromaServerError) -> None:
        """Takes note of a query without an answer; the next look tells whether the server is away."""
        self._index = None
        self._note_absence(error)
        self._look_at = self._clock()

    def _note_absence(self, error: ChromaServerError) -> None:
        self._is_away = True
        self._complain(f"{error} Until it is back, questions are answered from {self.settings.data_dir}.")

    def _tell_it_is_back(self) -> None:
        if self._is_away:
            self._is_away, self._complaint = False, ""
            self._notify(f"The Chroma server {self.server.url} answers again.")

    # --- following -------------------------------------------------------------------------------------

    def _is_current(self, state: ServedState | None) -> bool:
        if state is None:
            return True
        return self._replica.held().shows(state) and self.library.manifest().generation == state.generation

    def _pull(self, state: ServedState | None) -> None:
        """Takes over what is published; hold the write lock.

        Raises:
            ChromaServerError: the server does not answer.
            CollectionError: what it holds is not what its writer published.
        """
        from citewell.chroma_wire import MissingOnServerError

        afresh = False
        while state is not None and not self._is_current(state):
            held = self._replica.held()
            same = (held.lineage, held.generation) == (state.lineage, state.generation)
            afresh = afresh or not same or held.position > state.position
            with suppress(MissingOnServerError):  # another generation was published
                if self._take_over(state, afresh):
                    return
            newer = self.server.state()
            if newer == state and afresh:
                raise CollectionError(
                    f"{self.server.name} on {self.server.url} is not what its writer published. Run "
                    "`citewell doctor --rebuild` on a machine that has all its papers."
                )
            # A copy that went wrong by itself is made again from the first record.
            state, afresh = newer, newer == state

    def _take_over(self, state: ServedState, afresh: bool) -> bool:
        held = self._replica.begin(state, afresh and self._replica.held().records != "")
        missing = state.position - held.position
        if missing > _WORTH_TELLING:
            self._notify(f"Taking {missing:,} records over from {self.server.url}.")
        recipe = Recipe(state.embedding, state.fingerprint, state.dim)
        for records, position in ServedGeneration(self.server, state.generation).pull(
            held.position, state.position
        ):
            self._replica.apply(records, position, recipe)
        return self._replica.finish(state)

    def _catch_up(self) -> None:
        """Publishes what this copy is ahead by: an ingest lost the server, or the server its disk."""
        manifest = self.library.manifest()
        if not manifest.fingerprint:
            return
        writer = LibraryWriter(self.library)
        if writer.count_without_passages(manifest.fingerprint):
            self._complain(
                f"Some papers in {self.settings.data_dir} have no vectors yet. Run `citewell ingest` again."
            )
            return
        self._notify(f"Publishing what {self.settings.data_dir} is ahead by on {self.server.url}.")
        with self._writing():
            self._sync(self.library.manifest().recipe, SilentProgress())

    # --- writing ---------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, rebuild: bool = False) -> Iterator[None]:
        """Holds the lock of the data directory and the lease of the server, with the copy up to date.

        Raises:
            CollectionBusyError: another process writes, here or on another machine.
            ChromaServerError: the server does not answer.
            CollectionError: the collection is of another embedding.
        """
        with write_lock(self.settings.data_dir), self.server.lease() as lease:
            try:
                self._pull(lease.state)
            except ChromaServerError:
                raise
            except CollectionError:
                if not rebuild:
                    raise
            if lease.state is not None and not rebuild:
                self._check_embedding(lease.state)
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None
                self._look_at = self._clock()

    def _check_embedding(self, state: ServedState) -> None:
        embedder, recipe = self.wanted()
        if recipe.fingerprint != state.fingerprint:
            raise CollectionError(
                f"{self.server.name} on {self.server.url} was made with {state.embedding} ({state.fingerprint}), and "
                f"this process is set to {recipe.embedding} ({recipe.fingerprint}). Set CITEWELL_EMBEDDING and "
                "CITEWELL_CHUNK_TOKENS alike, or change it for everybody: `citewell doctor --rebuild`."
            )

    def _ahead(self, recipe: Recipe) -> Ahead:
        """Returns what makes nothing ahead: the server is given papers when all are stored."""
        return Ahead(self.library, self.store, recipe, None)

    def _sync(
        self, recipe: Recipe, progress: Progress, afresh: bool = False, ahead: Ahead | None = None
    ) -> bool:
        """Publishes the copy as it is now; returns whether there was anything to publish."""
        lease = self._lease
        if lease is None:
            raise RuntimeError("publishing without the lease")
        self._replica.bring_back()
        manifest = self.library.manifest()
        state = lease.state
        afresh = afresh or state is None or state.fingerprint != recipe.fingerprint
        afresh = afresh or has_chunks(manifest.generation) != self._wants_chunks(manifest)
        changes = self._replica.everything() if afresh else self._replica.changes()
        if not changes and (state is not None or not manifest.papers):
            return False
        try:
            push = Push(self.library, self._replica, self.server, lease, recipe, progress)
            push.run(changes, self._wants_chunks(manifest), afresh)
        except ChromaServerError as error:
            raise ChromaServerError(
                f"{error} All papers read are kept in {self.settings.data_dir}, with their vectors; "
                "the next question or ingest publishes them."
            ) from error
        return True

    def _publish(self, recipe: Recipe, progress: Progress, plan: Plan, ahead: Ahead | None = None) -> None:
        """Publishes the copy in a new generation; how it is made is for collections without a server."""
        self._sync(recipe, progress, afresh=True)
