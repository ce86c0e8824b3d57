"""Whatever happens to a collection, in whatever order, it holds what it should and finds it.

A kill is an exception raised at some step of a write, after which nothing is cleaned up and the collection is
opened again. Real kills are in test_kill.py.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hypothesis.strategies as st
import pytest
from citewell import Assistant, Paper
from citewell.errors import NoCollectionError
from citewell.library import LibraryWriter
from citewell.store import Building, Generation, VectorStore
from fakes import HashEmbedder, entries, paper, word
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

NUMBERS = st.sets(st.integers(0, 24), min_size=1, max_size=5)
SALTS = st.sampled_from(["", "new"])


class Killed(BaseException):
    """The process is gone from here on."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Kills at the given step of those that writes are made of, if they come that far."""
    left = step

    def dying(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed(name)
            return original(*args, **kwargs)

        patch.setattr(owner, name, wrapped)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)  # the dead do not tidy up
        dying(HashEmbedder, "embed_papers")
        for name in ("put", "add_passages", "remove", "publish", "prune", "adopt", "touch"):
            dying(LibraryWriter, name)
        for name in ("add", "remove", "close"):
            dying(Generation, name)
        dying(Building, "finish")
        for name in ("begin", "sweep"):
            dying(VectorStore, name)
        yield


class Collections(RuleBasedStateMachine):
    """A collection beside a dictionary of what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="citewell-machine-"))
        self.model: dict[str, Paper] = {}
        self.gone: set[int] = set()
        self.salt = ""
        self.versions: dict[int, int] = {}
        self.assistant = self.opened()

    def opened(self) -> Assistant:
        return Assistant.open(self.folder / "data", embedder=HashEmbedder(self.salt), ingest_batch=3)

    def papers(self, numbers: set[int]) -> list[Paper]:
        return [paper(number, self.versions.get(number, 0)) for number in sorted(numbers)]

    @initialize(numbers=NUMBERS)
    def begin(self, numbers: set[int]) -> None:
        self.add(numbers)

    @rule(numbers=NUMBERS)
    def add(self, numbers: set[int]) -> None:
        papers = self.papers(numbers)
        new = sum(p.paper_id not in self.model for p in papers)
        report = self.assistant.collection.ingest(entries(papers))
        assert (report.added, report.papers) == (new, len(papers))
        self.model.update((p.paper_id, p) for p in papers)
        self.gone -= numbers

    @rule(numbers=NUMBERS)
    def change(self, numbers: set[int]) -> None:
        for number in numbers:
            self.versions[number] = self.versions.get(number, 0) + 1
        self.add(numbers)

    @rule(numbers=NUMBERS)
    def delete(self, numbers: set[int]) -> None:
        ids = [f"p{number}" for number in sorted(numbers)]
        assert self.assistant.remove(ids) == sum(
            self.model.pop(paper_id, None) is not None for paper_id in ids
        )
        self.gone |= numbers

    @rule(salt=SALTS)
    def reopen(self, salt: str) -> None:
        """Opens it with this model; nothing but an ingest puts another one to use."""
        self.assistant.close()
        self.salt = salt
        self.assistant = self.opened()
        self.assistant.collection.ingest([])

    @rule(numbers=NUMBERS, removed=NUMBERS, step=st.integers(0, 45), salt=SALTS)
    def be_killed(self, numbers: set[int], removed: set[int], step: int, salt: str) -> None:
        """Dies during writes that change, add and remove papers, perhaps under another model."""
        self.assistant.close()
        before = dict(self.model)
        self.salt = salt
        for number in numbers:
            self.versions[number] = self.versions.get(number, 0) + 1
        after = {p.paper_id: p for p in self.papers(numbers)}
        removed_ids = [f"p{number}" for number in sorted(removed - numbers)]
        dying = self.opened()
        with suppress(Killed), killed_at(step):
            dying.collection.ingest(entries(list(after.values())))
            dying.remove(removed_ids)
        in_use = dying.collection.library.manifest().embedding
        self.salt = in_use.removeprefix("given:HashEmbedder")
        self.assistant = self.opened()
        held = {stored.paper.paper_id: stored.paper for stored in self.assistant.collection.library.iterate()}
        for paper_id in {*before, *after, *held}:
            allowed = [before.get(paper_id), after.get(paper_id)]
            if paper_id in removed_ids:
                allowed.append(None)
            elif paper_id in before:
                assert paper_id in held  # never without what was there
            assert held.get(paper_id) in allowed
        self.model = held
        self.gone = set(range(25)) - {int(paper_id[1:]) for paper_id in held}

    @precondition(lambda self: self.model)
    @invariant()
    def finds_what_it_holds(self) -> None:
        library = self.assistant.collection.library
        rows = library.rows_of(list(self.model))
        with_vectors = library.passages(list(rows.values()), library.manifest())
        for paper_id, held in self.model.items():
            # Between two models a paper may have vectors of the other one only; its words still count.
            depth = 1 if rows[paper_id] in with_vectors else len(self.model)
            results = self.assistant.search(f"{held.title} {held.abstract}", k=depth)
            assert paper_id in [result.paper_id for result in results]

    @precondition(lambda self: self.model)
    @invariant()
    def has_nothing_else(self) -> None:
        everything = {result.paper_id for result in self.assistant.search("we measured the coral", k=100)}
        assert everything <= self.model.keys()
        for number in self.gone:
            assert not len(self.assistant.collection.library.lexical([word(number)], 2.5).rows)

    @precondition(lambda self: not self.model)
    @invariant()
    def says_that_it_is_empty(self) -> None:
        with pytest.raises(NoCollectionError):
            self.assistant.search("coral")

    def teardown(self) -> None:
        self.assistant.close()
        with self.opened() as assistant:
            assistant.collection.ingest([])
            self.compare_with_a_new_one(assistant)
        shutil.rmtree(self.folder)

    def compare_with_a_new_one(self, assistant: Assistant) -> None:
        """Ids, texts, digest, vectors in the index and search results are those of a fresh build."""
        with Assistant.open(self.folder / "fresh", embedder=HashEmbedder(self.salt)) as fresh:
            fresh.collection.ingest(entries(list(self.model.values())))
            states = []
            for one in (assistant, fresh):
                papers = {stored.paper.paper_id: stored.paper for stored in one.collection.library.iterate()}
                snapshot = one.collection.snapshot()
                held = snapshot.generation.count() if snapshot.generation else 0
                queries = [*(p.title for p in self.model.values()), "coral in some places"] if papers else []
                found = [[(r.paper_id, round(r.score, 5)) for r in one.search(q, k=50)] for q in queries]
                states.append((papers, snapshot.manifest.digest, held, found))
            assert states[0] == states[1]
            assert states[0][0] == self.model
        left = {path.name for path in (self.folder / "data" / "vectors").glob("*")}
        assert not any(name.startswith(".") for name in left)
        assert len(left) <= 2
        assert assistant.collection.library.check() is None


TestCollections = Collections.TestCase
TestCollections.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
