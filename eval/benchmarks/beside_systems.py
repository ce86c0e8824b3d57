"""One system of `beside.py`, in a process that imports nothing of the other.

    python eval/benchmarks/beside_systems.py SYSTEM DATA_DIR WORK_DIR

Reads lines of JSON, [what, question], and answers each with the seconds it took, titles, and memory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

from report import resident_mib, timed

CITEWELL, LLAMA_INDEX = "Citewell", "LlamaIndex, Chroma"
FOUND = 10  # papers returned for a question

Work = Mapping[str, Callable[[str], Sequence[str]]]
"""What a system can do with a question; each returns titles, best first."""


@contextmanager
def citewell(data_dir: Path, work: Path) -> Iterator[Work]:
    """Yields the search and the answers of a collection."""
    from citewell.assistant import Assistant

    with Assistant.open(data_dir, create=False, answer_cache=0) as assistant:
        assistant.collection.library.read_ahead()
        yield {
            "search": lambda question: [result.title for result in assistant.search(question, FOUND)],
            "ask": lambda question: [cited.title for cited in assistant.ask(question).citations],
        }


@contextmanager
def llama_index(data_dir: Path, work: Path) -> Iterator[Work]:
    """Yields the retriever of the index that is in the work folder."""
    from llama_index.core import VectorStoreIndex
    from on_disk import ChromaOnDisk, stock_embedding

    with closing(ChromaOnDisk(work)) as chroma:
        index = VectorStoreIndex.from_vector_store(chroma.store, embed_model=stock_embedding(work / "model"))
        retriever = index.as_retriever(similarity_top_k=FOUND)
        yield {
            "search": lambda question: [str(n.node.metadata["title"]) for n in retriever.retrieve(question)]
        }


SYSTEMS: Mapping[str, Callable[[Path, Path], AbstractContextManager[Work]]] = {
    CITEWELL: citewell,
    LLAMA_INDEX: llama_index,
}


def main(name: str, data_dir: str, work: str) -> None:
    """Answers until there are no more lines."""
    with SYSTEMS[name](Path(data_dir), Path(work)) as system:
        for line in sys.stdin:
            what, question = json.loads(line)
            titles, spent = timed(partial(system[what], question))
            reply = {"seconds": spent, "titles": titles, "memory_mib": resident_mib(os.getpid())}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
