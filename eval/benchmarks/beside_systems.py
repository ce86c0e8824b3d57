"""One system of `beside.py`, in a process that imports nothing of the other until it has to.

    python eval/benchmarks/beside_systems.py SYSTEM FOLDER             # reads lines of JSON, [what, question]
    python eval/benchmarks/beside_systems.py SYSTEM FOLDER FILES       # takes the papers of the files in

Each line is answered with the seconds it took, titles, and memory. What is taken in goes into the folder, which is new;
the seconds that took are printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from report import resident_mib, seconds, timed

if TYPE_CHECKING:
    from citewell.types import Paper
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding

CITEWELL, STOCK, LENT = "Citewell", "LlamaIndex, Chroma", "… with our code for the model"
FOUND = 10  # papers returned for a question
_REPLY_TOKENS = 200  # of LlamaIndex's answers

Work = Mapping[str, Callable[[str], Sequence[str]]]
"""What a system can do with a question; each returns titles, best first."""


Ingest = Callable[[Path, "Sequence[Paper]"], None]
"""Takes papers into a new folder."""


class System(NamedTuple):
    """What makes a system ready to take papers in, with a folder for what it needs, and how it is opened."""

    ready: Callable[[Path], Ingest]
    open: Callable[[Path], AbstractContextManager[Work]]


# --- Citewell -------------------------------------------------------------------------------------------


def ready(needed: Path) -> Ingest:
    """Returns what makes a collection."""
    from citewell.assistant import Assistant

    def ingest(folder: Path, papers: Sequence[Paper]) -> None:
        with Assistant.open(folder) as assistant:
            assistant.add(papers)

    return ingest


@contextmanager
def opened(folder: Path) -> Iterator[Work]:
    """Yields the search and the answers of a collection."""
    from citewell.assistant import Assistant

    with Assistant.open(folder, create=False, answer_cache=0) as assistant:
        assistant.collection.library.read_ahead()
        yield {
            "search": lambda question: [result.title for result in assistant.search(question, FOUND)],
            "ask": lambda question: [cited.title for cited in assistant.ask(question).citations],
        }


# --- LlamaIndex -----------------------------------------------------------------------------------------


def _stock(folder: Path) -> BaseEmbedding:
    from on_disk import stock_embedding

    return stock_embedding(folder / "model")


def _lent(folder: Path) -> BaseEmbedding:
    from citewell.embedding.minilm import MiniLM
    from citewell_eval.systems.llama_parts import SameEmbedding

    return SameEmbedding(MiniLM())


def llama_ready(embedding: Callable[[Path], BaseEmbedding], needed: Path) -> Ingest:
    """Returns what makes an index over Chroma, with the default splitter."""
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from on_disk import ChromaOnDisk

    model = embedding(needed)

    def ingest(folder: Path, papers: Sequence[Paper]) -> None:
        with closing(ChromaOnDisk(folder)) as chroma:
            VectorStoreIndex.from_documents(
                [Document(text=paper.abstract, metadata={"title": paper.title}) for paper in papers],
                storage_context=chroma.context(),
                embed_model=model,
                transformations=[SentenceSplitter()],
            )

    return ingest


@contextmanager
def llama_opened(embedding: Callable[[Path], BaseEmbedding], folder: Path) -> Iterator[Work]:
    """Yields the retriever of an index, and its `CitationQueryEngine` over the packaged language model."""
    from llama_index.core import VectorStoreIndex
    from on_disk import ChromaOnDisk

    with closing(ChromaOnDisk(folder)) as chroma:
        index = VectorStoreIndex.from_vector_store(chroma.store, embed_model=embedding(folder))
        retriever = index.as_retriever(similarity_top_k=FOUND)
        engine: list[Callable[[str], Sequence[str]]] = []

        def ask(question: str) -> Sequence[str]:
            if not engine:  # the model is in no measurement of memory, and its loading in none of time
                engine.append(_answers(index))
                engine[0](question)
            return engine[0](question)

        yield {
            "search": lambda question: [str(n.node.metadata["title"]) for n in retriever.retrieve(question)],
            "ask": ask,
        }


def _answers(index: VectorStoreIndex) -> Callable[[str], Sequence[str]]:
    from citewell.llm import load_llm
    from citewell.settings import Settings
    from citewell_eval.systems.llama_parts import SameModel
    from llama_index.core.query_engine import CitationQueryEngine

    llm = SameModel(load_llm(Settings(), "local"), _REPLY_TOKENS)
    engine = CitationQueryEngine.from_args(index, llm=llm)
    return lambda question: [str(n.node.metadata["title"]) for n in engine.query(question).source_nodes]


SYSTEMS: Mapping[str, System] = {
    CITEWELL: System(ready, opened),
    STOCK: System(partial(llama_ready, _stock), partial(llama_opened, _stock)),
    LENT: System(partial(llama_ready, _lent), partial(llama_opened, _lent)),
}


# --- the process ----------------------------------------------------------------------------------------


def papers_of(files: Sequence[Path]) -> list[Paper]:
    """Returns the papers of some files, one a title."""
    from citewell.corpus import read_corpus
    from citewell.types import Entry

    return list({e.paper.title: e.paper for e in read_corpus(files) if isinstance(e, Entry)}.values())


def take_in(system: System, folder: Path, files: Sequence[Path]) -> None:
    """Prints how long the papers take; what loads on first use is loaded by then."""
    papers = papers_of(files)
    with tempfile.TemporaryDirectory() as needed:
        ingest = system.ready(Path(needed))
        with tempfile.TemporaryDirectory() as other:
            ingest(Path(other), papers[:2])
        spent = seconds(partial(ingest, folder, papers))
    print(json.dumps({"papers": len(papers), "seconds": spent}))


def serve(system: System, folder: Path) -> None:
    """Answers until there are no more lines."""
    with system.open(folder) as work:
        for line in sys.stdin:
            what, question = json.loads(line)
            titles, spent = timed(partial(work[what], question))
            reply = {"seconds": spent, "titles": titles, "memory_mib": resident_mib(os.getpid())}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    name, where, *files = sys.argv[1:]
    if files:
        take_in(SYSTEMS[name], Path(where), [Path(file) for file in files])
    else:
        serve(SYSTEMS[name], Path(where))
