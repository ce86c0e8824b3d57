"""Publishing a library on a Chroma server: records are added, checked by real queries, then the state is changed.

Until the state is changed nothing that copies take over is different, and after it nothing is missing: what the new
records replace is deleted last. Whoever is killed in between leaves records that the next writer sweeps away.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from citewell.chroma_generation import ServedGeneration, generations
from citewell.chroma_server import ChromaServer, Lease
from citewell.errors import ChromaServerError, CollectionError
from citewell.indexing import vectors_of
from citewell.ingest import Progress
from citewell.library import Changes, Library, Recipe, Record, Replica, ServedState
from citewell.library.reader import batched
from citewell.library.records import records_digest
from citewell.store import new_name
from citewell.vector_index import tolerated

_PUSHED = 200  # papers added between two looks at the lease
_CHECKED = 16  # papers that the server must find


class Push:
    """Publishes what a library is ahead by; hold the write lock and the lease.

    Args:
        library: what is published.
        replica: what the server holds of it.
        server: where it is published.
        lease: the right to.
        recipe: what the vectors are made with.
        progress: told how far it is.
    """

    def __init__(
        self,
        library: Library,
        replica: Replica,
        server: ChromaServer,
        lease: Lease,
        recipe: Recipe,
        progress: Progress,
    ) -> None:
        self._library = library
        self._replica = replica
        self._server = server
        self._lease = lease
        self._recipe = recipe
        self._progress = progress
        self._position = 0
        self._added: list[tuple[str, bytes, str, int]] = []

    def run(self, changes: Changes, chunks: bool, afresh: bool) -> None:
        """Publishes the changes.

        Args:
            changes: papers to add and to remove; with `afresh` all papers.
            chunks: whether chunk vectors are indexed.
            afresh: whether a new generation is made.

        Raises:
            CollectionBusyError: another writer took the lease over; nothing is published.
            ChromaServerError: the server does not answer.
            CollectionError: papers lack vectors, or the server does not find what it was given.
        """
        before, old = generations(self._server), self._lease.state
        if afresh or old is None:
            served, generation = {}, ServedGeneration(self._server, new_name(chunks), create=True)
        else:
            served, generation = self._replica.served(), ServedGeneration(self._server, old.generation)
            generation.sweep(served.values(), old.position)
            self._position = old.position
        self._add(generation, changes.rows)
        self._bury(generation, changes.removed)
        self._verify(generation, changes.rows)
        state = self._state(generation.name, changes.removed, old, not served)
        self._lease.publish(state)
        self._replica.note_published(self._added, changes.removed, state)
        replaced = [
            served[name] for name in (*(one[0] for one in self._added), *changes.removed) if name in served
        ]
        keep = {generation.name, old.generation if old is not None else ""}
        with suppress(ChromaServerError):  # the next writer sweeps
            generation.drop(replaced)
            for name in before:
                if name not in keep:
                    ServedGeneration(self._server, name).delete()

    def _add(self, generation: ServedGeneration, rows: Sequence[int]) -> None:
        made_with = replace(self._library.manifest(), **self._recipe._asdict())
        self._progress.start("publishing", len(rows))
        for part in batched(rows, _PUSHED):
            self._lease.check()
            records = self._replica.records(part, made_with, self._position + 1, self._lease.number)
            if len(records) != len(part):
                raise CollectionError("Some papers have no vectors yet. Run `citewell ingest` again.")
            generation.add(records, self._recipe.dim)
            dim = self._recipe.dim
            self._added += [(one.paper_id, one.hash(), one.tag, one.count_chunks(dim)) for one in records]
            self._position += len(records)
            self._progress.advance(len(part))

    def _bury(self, generation: ServedGeneration, removed: Sequence[str]) -> None:
        for start in range(0, len(removed), _PUSHED):
            self._lease.check()
            part = removed[start : start + _PUSHED]
            numbers = range(self._position + 1, self._position + 1 + len(part))
            records = [
                Record(n, f"{self._lease.number}.{n}", one) for n, one in zip(numbers, part, strict=True)
            ]
            generation.bury(records)
            self._position += len(part)

    def _verify(self, generation: ServedGeneration, rows: Sequence[int]) -> None:
        """Asks the server for papers it was given: an answer to a request to store does not say they can be found."""
        asked = rows[:: max(len(rows) // _CHECKED, 1)]
        made_with = replace(self._library.manifest(), **self._recipe._asdict())
        papers = vectors_of(self._library, asked, made_with)
        missed = generation.missed(papers)
        if not tolerated(len(missed), len(papers)):
            raise CollectionError(
                f"{self._server.url} does not find {missed[0]!r}, which it was just given; nothing was "
                "published. Run `citewell doctor --rebuild`."
            )

    def _state(
        self, generation: str, removed: Sequence[str], old: ServedState | None, afresh: bool
    ) -> ServedState:
        manifest = self._library.manifest()
        hashes = [(paper_id, found) for paper_id, found, _, _ in self._added]
        return ServedState(
            lineage=old.lineage if old is not None else uuid.uuid4().hex,
            generation=generation,
            position=self._position,
            papers=manifest.papers,
            digest=manifest.digest,
            records=records_digest(self._replica.hashes_with(hashes, removed, afresh)),
            embedding=self._recipe.embedding,
            fingerprint=self._recipe.fingerprint,
            dim=self._recipe.dim,
        )
