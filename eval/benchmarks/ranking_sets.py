"""The judged sets that ranking is measured on, and everything about their papers that a ranking can be made of.

Every paper of a set is scored by every variant, so that what is compared is the formula and not the candidates.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from citewell.assistant import Assistant
from citewell.corpus import search_form
from citewell.embedding.base import TokenEmbedder
from citewell.errors import UsageError
from citewell.library import Filters, Library
from citewell.spelling import correct
from citewell.text import STOPWORDS, stem, stems, words
from citewell_eval.beir import corpus_of, load_set
from citewell_eval.cases import load_cases
from citewell_eval.collections import arxiv_sample
from citewell_eval.running import paper_ids
from citewell_eval.suites import load_suite
from numpy.typing import NDArray

DEVELOPMENT = ("cranfield", "scifact-train", "pages-dev", "sample-a", "arxiv-train")
HELD = ("pages-held", "sample-b")

_K1, _B = 1.2, 0.75  # of SQLite's bm25()
_LEAST_IDF = 1e-6
_DATASETS = Path(__file__).resolve().parents[1] / "datasets"

Scores = NDArray[np.float64]
"""One number a paper of the set, or a passage where that is said."""

Asked = tuple[str, Mapping[str, int]]
"""A question, and the grade of each paper by id."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Question:
    """A judged question: its text as it is searched for, its words, its unit vector, and the grade of each paper id."""

    text: str
    terms: tuple[str, ...]
    vector: NDArray[np.float32]
    relevance: Mapping[str, int]

    @property
    def roots(self) -> list[str]:
        """The distinct stems of its words, in order."""
        return list(dict.fromkeys(stem(term) for term in self.terms))


class Lexicon:
    """Which words the papers of a set hold, and their BM25 scores as SQLite's FTS5 computes them.

    Args:
        titles: the stems of each title, in order.
        bodies: the stems of each abstract, in order.
    """

    def __init__(self, titles: Sequence[Sequence[str]], bodies: Sequence[Sequence[str]]) -> None:
        self.titles, self.bodies = titles, bodies
        self.counts = [Counter((*title, *body)) for title, body in zip(titles, bodies, strict=True)]
        self.lengths = np.array([counts.total() for counts in self.counts], dtype=float)
        found: dict[str, list[tuple[int, int, int]]] = {}
        for place, (title, body) in enumerate(zip(titles, bodies, strict=True)):
            in_title, in_body = Counter(title), Counter(body)
            for root in in_title | in_body:
                found.setdefault(root, []).append((place, in_title[root], in_body[root]))
        self._postings = {root: np.array(rows) for root, rows in found.items()}

    @property
    def papers(self) -> int:
        """How many papers there are."""
        return len(self.lengths)

    @property
    def vocabulary(self) -> Mapping[str, NDArray[np.int_]]:
        """Every stem with its papers: place, times in the title, times in the abstract."""
        return self._postings

    def frequency(self, root: str) -> int:
        """Returns how many papers hold a stem."""
        return len(self._postings.get(root, ()))

    def idf(self, root: str) -> float:
        """Returns the inverse document frequency of a stem, never below FTS5's least."""
        held = self.frequency(root)
        return max(math.log((self.papers - held + 0.5) / (held + 0.5)), _LEAST_IDF)

    def most(self, roots: Sequence[str]) -> float:
        """Returns the BM25 score that no paper can exceed."""
        return max((_K1 + 1) * sum(self.idf(root) for root in roots), _LEAST_IDF)

    def bm25(self, root: str, title_weight: float) -> Scores:
        """Returns the BM25 score of one stem in every paper."""
        scores = np.zeros(self.papers)
        if (rows := self._postings.get(root)) is not None:
            times = title_weight * rows[:, 1] + rows[:, 2]
            length = self.lengths[rows[:, 0]] / self.lengths.mean()
            scores[rows[:, 0]] = self.idf(root) * times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length))
        return scores

    def holds(self, root: str, in_title: bool = False) -> Scores:
        """Returns 1 for every paper that holds a stem, in its title if so asked, and 0 for others."""
        held = np.zeros(self.papers)
        if (rows := self._postings.get(root)) is not None:
            held[rows[:, 0]] = rows[:, 1] > 0 if in_title else 1.0
        return held


@dataclass(frozen=True)
class Judged:
    """A set: its papers and their vectors, its questions, and the embedder that made both.

    Attributes:
        name: what it is called.
        ids: the id of each paper; everywhere else a paper is its place in this list.
        texts: title and abstract of each paper in the form that words are looked up in.
        abstracts: unit vectors, shape (papers, dim).
        chunks: unit vectors of all passages, paper after paper, shape (passages, dim).
        starts: the first passage of each paper, shape (papers,).
        questions: the judged questions.
        embed: returns the unit vectors of texts.
        tokens: the embedder's vectors of single tokens, where it has any.
    """

    name: str
    ids: list[str]
    texts: list[tuple[str, str]]
    abstracts: NDArray[np.float32]
    chunks: NDArray[np.float32]
    starts: NDArray[np.int64]
    questions: list[Question]
    embed: Embed = field(repr=False)
    tokens: TokenEmbedder | None = field(repr=False)

    @cached_property
    def lexicon(self) -> Lexicon:
        """The words of all papers."""
        return Lexicon([stems(title) for title, _ in self.texts], [stems(body) for _, body in self.texts])


# --- loading --------------------------------------------------------------------------------------------


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """Yields the folder that keeps indexed collections between runs, or a temporary one."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def load(name: str, shared: Path, work: Path) -> Judged:
    """Returns a set by name, its papers indexed in `work` if they are not yet.

    Raises:
        UsageError: there is no set of this name.
    """
    if name not in DEVELOPMENT + HELD:
        raise UsageError(f"No set {name!r}. The sets are {', '.join(DEVELOPMENT + HELD)}.")
    collection = "arxiv" if name == "arxiv-train" else name.removesuffix("-dev").removesuffix("-held")
    collection = "sample" if name.startswith("sample") else collection
    with Assistant.open(work / collection, chroma_url="") as assistant:
        _fill(
            assistant, collection, shared
        )  # what is there already takes no time, nor a run that was cut short
        return judge(name, assistant, _asked(name, assistant, shared))


def _fill(assistant: Assistant, collection: str, shared: Path) -> None:
    if collection == "pages":
        assistant.ingest([shared / "corpus"])
    elif collection == "sample":
        assistant.ingest(load_suite("sample").corpus)
    elif collection == "arxiv":
        assistant.add(list(arxiv_sample(shared / "data" / "arxiv-abstracts")))
    else:
        assistant.ingest([corpus_of(shared / "data" / collection)])


def judge(name: str, assistant: Assistant, asked: Sequence[Asked]) -> Judged:
    """Returns a set from a collection and questions with the grades of papers by id."""
    library = assistant.collection.library
    manifest = library.manifest()
    rows = library.matching(Filters())
    papers, passages = library.papers(rows), library.passages(rows, manifest)
    embedder, tokens = assistant.collection.embedder(manifest), assistant.token_embedder()
    sizes = [len(passages[row].chunks) for row in rows]
    return Judged(
        name,
        [papers[row].paper_id for row in rows],
        [(search_form(papers[row].title), search_form(papers[row].abstract)) for row in rows],
        np.stack([passages[row].abstract for row in rows]),
        np.concatenate([passages[row].chunks for row in rows]),
        np.cumsum([0, *sizes[:-1]]),
        _questions(asked, library, embedder.embed_queries, tokens),
        embedder.embed_queries,
        tokens,
    )


def _asked(name: str, assistant: Assistant, shared: Path) -> list[Asked]:
    """Returns the questions that have a relevant paper, with the grades of papers by id."""
    if name in ("cranfield", "scifact-train"):
        queries, qrels = load_set(shared / "data" / name)
        return [(queries[one], grades) for one, grades in qrels.items() if max(grades.values()) > 0]
    ids = paper_ids(assistant)
    cases = load_cases(_DATASETS / f"{name}.jsonl")
    alone = [
        case for case in cases if case.answerable and case.papers and not case.history and not case.writes
    ]
    return [(case.question, {ids.get(paper, paper): 1 for paper in case.papers}) for case in alone]


def _questions(
    asked: Sequence[Asked],
    library: Library,
    embed: Embed,
    tokens: TokenEmbedder | None,
) -> list[Question]:
    texts = [correct(text, library, tokens) for text, _ in asked]
    vectors = embed(texts)
    questions = []
    for text, vector, (_, relevance) in zip(texts, vectors, asked, strict=True):
        everything = list(dict.fromkeys(words(search_form(text))))
        terms = [word for word in everything if word not in STOPWORDS]
        questions.append(Question(text, tuple(terms or everything), vector, relevance))
    return questions
