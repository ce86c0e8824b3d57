"""Asks a system every case and keeps what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from citewell.errors import CitewellError
from citewell.types import Answer, Paper

from citewell_eval.cases import Case
from citewell_eval.systems.base import System

DEPTH = 100  # papers ranked for a question

Progress = Callable[[int, int], None]
Choose = Callable[[Case], System]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system made of one case.

    Attributes:
        case: the case.
        ranking: paper ids, best first; empty where the search failed.
        relevance: the grade of each paper id that the case names, where the collection holds it.
        answer: what was answered; None where asking failed, or where only retrieval is measured.
        papers: the papers that the answer cites, by id.
        error: in one line what went wrong, None if nothing did.
        seconds: how long the answer took.
    """

    case: Case
    ranking: tuple[str, ...]
    relevance: Mapping[str, int]
    answer: Answer | None
    papers: Mapping[str, Paper] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0

    @property
    def shown(self) -> list[str]:
        """The sentences that a reader sees, and the quotes beside them."""
        if self.answer is None:
            return []
        return [s.text for s in self.answer.sentences] + [c.quote for c in self.answer.citations]

    @property
    def answered(self) -> bool:
        """Whether anything was said in answer."""
        return self.answer is not None and not self.answer.abstained

    @property
    def refused(self) -> bool:
        """Whether the system said that the collection does not hold the answer; a failure is no refusal."""
        return self.answer is not None and self.answer.abstained


def run(
    choose: Choose,
    cases: Sequence[Case],
    ids: Mapping[str, str],
    progress: Progress = lambda done, of: None,
) -> list[Outcome]:
    """Returns the outcome of every case, in order; a case that fails is an outcome with an error.

    Args:
        choose: the system that answers a case.
        cases: the cases.
        ids: the paper id by title.
        progress: told after each case how many are done.
    """
    outcomes = []
    for number, case in enumerate(cases, 1):
        outcomes.append(_outcome(choose(case), case, ids))
        progress(number, len(cases))
    return outcomes


def _outcome(system: System, case: Case, ids: Mapping[str, str]) -> Outcome:
    relevance = {ids.get(name, name): 1 for name in case.papers} if case.answerable else {}
    try:
        history: list[Answer] = []
        for earlier in case.history:
            history.append(system.ask(earlier, history))
        started = perf_counter()
        answer = system.ask(case.question, history)
        seconds = perf_counter() - started
        ranking = tuple(system.search(answer.standalone_question, DEPTH))
        papers = {c.paper_id: system.paper(c.paper_id) for c in answer.citations}
    except CitewellError as error:
        return Outcome(case, (), relevance, None, {}, " ".join(str(error).split()))
    return Outcome(case, ranking, relevance, answer, papers, answer.error, seconds)


def rank(
    system: System,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    progress: Progress = lambda done, of: None,
) -> list[Outcome]:
    """Returns the rankings of judged queries, each as the outcome of a case without an answer."""
    outcomes = []
    for number, (query, judged) in enumerate(qrels.items(), 1):
        error: str | None = None
        ranking: tuple[str, ...] = ()
        text = queries.get(query, "")
        try:
            ranking = tuple(system.search(text, DEPTH))
        except CitewellError as failed:
            error = " ".join(str(failed).split())
        case = Case(
            id=query,
            question=text or "(missing)",
            kind="query",
            answerable=True,
            papers=tuple(judged),
            facts=(),
        )
        outcomes.append(Outcome(case, ranking, judged, None, {}, error))
        progress(number, len(qrels))
    return outcomes


def errors(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Returns what went wrong, by case."""
    return {o.case.id: o.error for o in outcomes if o.error is not None}
