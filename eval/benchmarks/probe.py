"""What `scale.py` measures of one collection: disk, memory, latency and cold start, each beside a peer.

Memory and latency are measured in processes of their own, which nothing before has warmed or filled.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
from citewell.assistant import Assistant
from citewell.embedding import Passages
from citewell.errors import UsageError
from citewell.library import Filters, Library
from citewell.library.reader import batched
from embedding import BareSession, token_ids
from numpy.typing import NDArray
from questions import Asked, questions_about, spread
from report import percentile, resident_mib, seconds, timed

_SPINNING = 0.05  # seconds: the threads of a BLAS keep a core busy for some 20 ms after a product
_FOUND = 10  # papers returned by a search, and vectors by the dot product
_READ = 500  # papers whose vectors are read at once


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes a paper on disk, and all of them over the bytes of the bare text and float32 vectors."""

    library: float
    vectors: float
    ratio_to_text_and_vectors: float


@dataclass(frozen=True, slots=True)
class Cold:
    """A fresh `citewell ask --json`, medians; the ratio is to a process that only embeds the question.

    Attributes:
        process_seconds: from its start to its end.
        first_sentence_seconds: in it, from the question to the first sentence of the answer.
        model_process_seconds: of the other process.
        ratio_to_model_process: median of the ratios.
    """

    process_seconds: float
    first_sentence_seconds: float
    model_process_seconds: float
    ratio_to_model_process: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Warm questions, in milliseconds; ratios are medians over the questions.

    Attributes:
        questions: how many were asked, and as many others searched for.
        answered: share of those asked that got an answer.
        first: share of those searched for whose paper was found first.
        ask_ms: an answer with quotes, median.
        ask_p95_ms: the 95th percentile.
        search_ms: ten papers, median.
        search_p95_ms: the 95th percentile.
        embedding_ms: one run of the bare session over a question asked, median.
        dot_product_ms: the ten highest dot products of all vectors with a question's, by numpy, median.
        ask_to_embedding: ratio of ask to the run over the same question.
        search_to_dot_product: ratio of search, which also embeds the question, to the dot product alone.
        search_to_dense: ratio of search to the run and the dot product together.
    """

    questions: int
    answered: float
    first: float
    ask_ms: float
    ask_p95_ms: float
    search_ms: float
    search_p95_ms: float
    embedding_ms: float
    dot_product_ms: float
    ask_to_embedding: float
    search_to_dot_product: float
    search_to_dense: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB after one question and after all; the ratio is to the session and the vectors in a process."""

    warm_mib: float
    after_mib: float
    session_and_vectors_mib: float
    ratio_to_session_and_vectors: float


@dataclass(frozen=True, slots=True)
class Ingested:
    """What the last run of an ingest embedded, and how long it took; less than all where it went on."""

    embedded: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Point:
    """One collection: how much it holds and what was measured; `ingest` is None for one made elsewhere."""

    papers: int
    vectors: int
    ingest: Ingested | None
    disk: Disk
    cold: Cold
    latency: Latency
    memory: Memory


P = ParamSpec("P")
R = TypeVar("R")


def measure(data_dir: Path, questions: int, cold_starts: int, done: Ingested | None) -> Point:
    """Returns what was measured at a collection.

    Args:
        data_dir: its folder.
        questions: how many are asked, and as many others searched for.
        cold_starts: how many fresh processes are started.
        done: how it was ingested, if that is known.

    Raises:
        UsageError: it is empty or its ingest is not complete.
    """
    with Assistant.open(data_dir, create=False) as assistant:
        library, manifest = assistant.collection.library, assistant.collection.library.manifest()
        if not manifest.generation or library.changed_since(manifest.generation_revision, limit=1):
            raise UsageError(f"The collection at {data_dir} is not complete. Finish its ingest first.")
        papers = [library.page(place, 1)[0] for place in spread(manifest.papers, 2 * questions)]
    every = questions_about(papers)
    # Each of both lists holds as many questions from titles as from abstracts.
    asked = [one for n, one in enumerate(every) if n % 4 < 2]
    sought = [one for n, one in enumerate(every) if n % 4 >= 2]
    warm, after = in_a_process(memory_of, data_dir, [one.question for one in every])
    latency, vectors = in_a_process(latency_of, data_dir, asked, sought)
    session = in_a_process(session_mib, asked[0].question) + vectors * manifest.dim * 4 / 2**20
    return Point(
        papers=manifest.papers,
        vectors=vectors,
        ingest=done,
        disk=disk_of(data_dir, vectors),
        cold=cold_of(data_dir, [one.question for one in asked[:cold_starts]]),
        latency=latency,
        memory=Memory(round(warm, 1), round(after, 1), round(session, 1), round(after / session, 2)),
    )


def in_a_process(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Returns what a function returns in a fresh process, which nothing before has warmed or filled."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def memory_of(data_dir: Path, questions: Sequence[str]) -> tuple[float, float]:
    """Returns the resident MiB of this process after the first question and after all."""
    with Assistant.open(data_dir, create=False) as assistant:
        assistant.ask(questions[0])
        warm = resident_mib(os.getpid())
        for question in questions:
            assistant.ask(question)
        return warm, resident_mib(os.getpid())


def session_mib(question: str) -> float:
    """Returns the resident MiB of this process with the bare session, after it has run once."""
    session = BareSession(1)
    session.run_all(token_ids([Passages("", question)]), 1, 1)
    return resident_mib(os.getpid())


class Round(NamedTuple):
    """A question asked, another searched for, and their peers: seconds, and whether each was of use."""

    ask: float
    embedding: float
    search: float
    dot_product: float
    sought_embedding: float
    answered: bool
    first: bool


def latency_of(data_dir: Path, asked: Sequence[Asked], sought: Sequence[Asked]) -> tuple[Latency, int]:
    """Returns the latencies of a warm assistant, and how many vectors it holds."""
    with Assistant.open(data_dir, create=False) as assistant:
        vectors, session = all_vectors(assistant.collection.library), BareSession(1)
        play = partial(_round, assistant, session, vectors)
        other = Asked("Which study tells of something?", "")  # the embedder remembers what it was asked
        play(other, other)  # warms everything up
        return summary([play(*pair) for pair in zip(asked, sought, strict=True)]), len(vectors)


def _round(
    assistant: Assistant, session: BareSession, vectors: NDArray[np.float32], one: Asked, other: Asked
) -> Round:
    tokens, others = (token_ids([Passages("", each.question)]) for each in (one, other))
    embedding = seconds(lambda: session.run_all(tokens, 1, 1))
    answer, ask = timed(lambda: assistant.ask(one.question))
    sought_embedding = seconds(lambda: session.run_all(others, 1, 1))
    found, search = timed(lambda: assistant.search(other.question, _FOUND))
    # Any vector does: the question's own would have the embedder ready for it.
    dot_product = seconds(lambda: nearest(vectors, vectors[0], _FOUND))
    time.sleep(_SPINNING)
    first = bool(found) and found[0].title == other.title
    return Round(ask, embedding, search, dot_product, sought_embedding, not answer.abstained, first)


def summary(rounds: Sequence[Round]) -> Latency:
    """Returns medians, percentiles and medians of ratios."""
    median, asks, searches = statistics.median, [r.ask for r in rounds], [r.search for r in rounds]
    return Latency(
        questions=len(rounds),
        answered=round(sum(r.answered for r in rounds) / len(rounds), 3),
        first=round(sum(r.first for r in rounds) / len(rounds), 3),
        ask_ms=round(1000 * median(asks), 1),
        ask_p95_ms=round(1000 * percentile(asks), 1),
        search_ms=round(1000 * median(searches), 1),
        search_p95_ms=round(1000 * percentile(searches), 1),
        embedding_ms=round(1000 * median(r.embedding for r in rounds), 2),
        dot_product_ms=round(1000 * median(r.dot_product for r in rounds), 2),
        ask_to_embedding=round(median(r.ask / r.embedding for r in rounds), 2),
        search_to_dot_product=round(median(r.search / r.dot_product for r in rounds), 2),
        search_to_dense=round(median(r.search / (r.sought_embedding + r.dot_product) for r in rounds), 2),
    )


def all_vectors(library: Library) -> NDArray[np.float32]:
    """Returns the vectors of all abstracts and chunks, one a row."""
    manifest, blocks = library.manifest(), list[NDArray[np.float32]]()
    for rows in batched(library.matching(Filters()), _READ):
        for passages in library.passages(rows, manifest).values():
            blocks += [passages.abstract[None, :], passages.chunks]
    return np.concatenate(blocks)


def nearest(vectors: NDArray[np.float32], query: NDArray[np.float32], limit: int) -> list[int]:
    """Returns the places of the highest dot products, best first."""
    products = vectors @ query
    limit = min(limit, len(products))
    best = np.argpartition(products, -limit)[-limit:]
    return [int(place) for place in best[np.argsort(-products[best])]]


def disk_of(data_dir: Path, vectors: int) -> Disk:
    """Returns the bytes a paper of the library and of the vector index in use."""
    with Assistant.open(data_dir, create=False) as assistant:
        library, store = assistant.collection.library, assistant.collection.store
        manifest = library.manifest()
        text = sum(len(f"{paper.title}{paper.abstract}".encode()) for _, paper in library.iterate())
        files = (file for file in (store.folder / manifest.generation).rglob("*") if file.is_file())
        held, index = library.path.stat().st_size, sum(file.stat().st_size for file in files)
    least = text + 4 * manifest.dim * vectors
    return Disk(
        round(held / manifest.papers), round(index / manifest.papers), round((held + index) / least, 2)
    )


# What the model alone needs to embed a question in a process of its own.
_MODEL_ALONE = (
    "import sys; from citewell.embedding.minilm import MiniLM; MiniLM().embed_queries([sys.argv[1]])"
)


def cold_of(data_dir: Path, questions: Sequence[str]) -> Cold:
    """Returns how long fresh processes take that answer the questions, each beside one that embeds its question."""
    takes, firsts, alone = list[float](), list[float](), list[float]()
    for question in questions:
        ask = ["-m", "citewell", "ask", question, "--data-dir", str(data_dir), "--json"]
        answer, took = timed(partial(_python, ask))
        timings = json.loads(answer)["timings"]
        takes.append(took)
        firsts.append(timings.get("first_sentence", timings["total"]))
        alone.append(seconds(partial(_python, ["-c", _MODEL_ALONE, question])))
    ratios = [whole / part for whole, part in zip(takes, alone, strict=True)]
    return Cold(*(round(statistics.median(values), 3) for values in (takes, firsts, alone, ratios)))


def _python(arguments: Sequence[str]) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
