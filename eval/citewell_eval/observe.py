"""Runs the stages before an answer over cases, so that models can be fitted to what those stages see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from citewell.answering import understand
from citewell.assistant import Assistant
from citewell.evidence import Evidence, gather, sentence_features
from citewell.gate import READ, gate_features
from citewell.interaction import interact
from citewell.question import Question, analyse
from citewell.retriever import HybridRetriever, Retrieval
from citewell.spelling import correct
from citewell.types import Answer
from numpy.typing import NDArray

from citewell_eval.cases import Case


@dataclass(frozen=True, slots=True)
class Observation:
    """What the stages saw of one case.

    Attributes:
        case: the case; `answerable` is False where its papers were hidden.
        question: the analysed question.
        evidence: sentences of the papers read.
        right: whether each sentence states a fact of the case in one of its papers, shape (n,).
        sentences: sentence features, shape (n, len(evidence.FEATURES)).
        gate: gate features with token vectors, shape (len(gate.FEATURES),).
        lexical: the same without token vectors.
        weight: how much it counts in a fit.
    """

    case: Case
    question: Question
    evidence: Evidence
    right: NDArray[np.bool_]
    sentences: NDArray[np.float64]
    gate: NDArray[np.float64]
    lexical: NDArray[np.float64]
    weight: float


def observe(
    assistant: Assistant, cases: Iterable[Case], hide: bool = False, weight: float = 1.0
) -> Iterator[Observation]:
    """Yields an observation a case; with `hide`, also one a case as if its papers were not in the collection."""
    retriever = HybridRetriever(assistant.collection, assistant.settings)
    # Earlier questions of a conversation are answered whatever the gate that is being fitted thinks of them.
    ungated = assistant.using(gate_threshold=0.0)
    for case in cases:
        history: list[Answer] = []
        for earlier in case.history:
            history.append(ungated.ask(earlier, history=history))
        alone = understand(case.question, history, None, assistant.settings.history_tokens)
        question = analyse(correct(alone.text, assistant.collection.library, assistant.token_embedder()))
        retrieval = retriever.retrieve(question.text, None, alone.papers)
        yield from _observation(assistant, case, question, retrieval, weight)
        if hide and case.answerable:
            titles = assistant.collection.library.papers([c.row for c in retrieval.candidates])
            gone = {row for row, paper in titles.items() if paper.title in case.papers}
            hidden = case.model_copy(
                update={"id": case.id + "-hidden", "kind": "hidden", "answerable": False}
            )
            left = replace(retrieval, candidates=tuple(c for c in retrieval.candidates if c.row not in gone))
            yield from _observation(assistant, hidden, question, left, weight)


def _observation(
    assistant: Assistant, case: Case, question: Question, retrieval: Retrieval, weight: float
) -> Iterator[Observation]:
    evidence = gather(question, retrieval, assistant.collection.library, assistant.settings.similarity_top_k)
    if not evidence.sentences or not question.stems:
        return
    full, lexical = (
        np.array(gate_features(question, retrieval, evidence, interact(question, evidence, 0, READ, used)))
        for used in (assistant.token_embedder(), None)
    )
    right = np.array([_states(case, evidence, i) for i in range(len(evidence.sentences))])
    rows = sentence_features(question, evidence)
    yield Observation(case, question, evidence, right, rows, full, lexical, weight)


def _states(case: Case, evidence: Evidence, index: int) -> bool:
    sentence = evidence.sentences[index]
    if not case.answerable or evidence.papers[sentence.paper].paper.title not in case.papers:
        return False
    text = sentence.text.casefold()
    return any(fact.casefold() in text for group in case.facts for fact in group)
