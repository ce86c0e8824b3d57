"""Runs cases on an assistant and makes the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.index import Progress as IngestBar

from citewell_eval import reliability
from citewell_eval.baseline import Baseline, compare
from citewell_eval.beir import Qrels
from citewell_eval.cases import Case
from citewell_eval.judging import Support
from citewell_eval.measures import Measured, all_measures, measure_all, retrieval
from citewell_eval.outcomes import Outcome, Progress, rank, run
from citewell_eval.report import Report
from citewell_eval.scripted import ScriptedModel
from citewell_eval.suites import Suite
from citewell_eval.systems.base import System
from citewell_eval.systems.citewell import CitewellSystem


@contextmanager
def collection(
    corpus: Sequence[Path],
    data_dir: Path | None,
    notify: Callable[[str], None],
    llm: str | None = None,
    bar: IngestBar | None = None,
) -> Iterator[Assistant]:
    """Yields an assistant over a corpus, read into a temporary folder, or over a collection that is there.

    Answers are not cached: a measured answer is one that was just given.

    Raises:
        UsageError: neither is given.
        NoCollectionError: the data directory holds no collection.
    """
    if not corpus and data_dir is None:
        raise UsageError(
            "No collection to ask. Name one: --corpus FILES, or --data-dir DIR of an ingested one."
        )
    with TemporaryDirectory(prefix="citewell-eval-") as temporary:
        folder = temporary if corpus else data_dir
        here: dict[str, Any] = (
            {"chroma_url": ""} if corpus else {}
        )  # never into a collection that others share
        with Assistant.open(
            folder, create=bool(corpus), notify=notify, llm=llm, answer_cache=0, **here
        ) as assistant:
            if corpus:
                assistant.ingest(corpus, bar)
            yield assistant


def evaluate(
    assistant: Assistant,
    suite: Suite,
    support: Support,
    baseline: Baseline | None = None,
    progress: Progress = lambda done, of: None,
) -> Report:
    """Returns the report of a suite.

    Raises:
        UsageError: no case could be run.
    """
    system = CitewellSystem(assistant, f"citewell {assistant.settings.llm}")
    outcomes = ask_all(assistant, system, suite.cases, progress)
    measured = measure_all(all_measures(support), outcomes)
    papers = {stored.paper.title: stored.paper for stored in assistant.collection.library.iterate()}
    embedder = assistant.collection.embedder(assistant.collection.snapshot().manifest)
    return Report(
        suite=suite.name,
        system=system.name,
        judge=support.name,
        outcomes=outcomes,
        measured=measured,
        limits=suite.limits,
        comparison=None
        if baseline is None
        else compare(measured, baseline, [case.id for case in suite.cases]),
        confidence=reliability.of_confidence(outcomes),
        support=reliability.of_support(outcomes, papers, embedder),
    )


def ask_all(
    assistant: Assistant, system: System, cases: Sequence[Case], progress: Progress = lambda done, of: None
) -> list[Outcome]:
    """Returns the outcomes of cases; those with a scripted model are asked of Citewell with that model.

    The gate lets all of those through, so that what they measure is the verifier.

    Raises:
        UsageError: no case could be run.
    """
    ungated = assistant.settings.model_copy(update={"gate_threshold": 0.0})

    def choose(case: Case) -> System:
        if not case.writes:
            return system
        return CitewellSystem(Assistant(assistant.collection, ungated, ScriptedModel(case.writes)))

    outcomes = run(choose, cases, paper_ids(assistant), progress)
    if all(outcome.answer is None for outcome in outcomes):
        raise UsageError(f"No case could be run. The first said: {outcomes[0].error}")
    return outcomes


def evaluate_ranking(
    assistant: Assistant, name: str, queries: dict[str, str], qrels: Qrels, progress: Progress
) -> Report:
    """Returns the report of a retrieval set: measures of rankings only."""
    outcomes = rank(CitewellSystem(assistant), queries, qrels, progress)
    return Report(name, "citewell retrieval", "", outcomes, retrieval_measures(outcomes), {})


def retrieval_measures(outcomes: Sequence[Outcome]) -> list[Measured]:
    """Returns the measures of rankings."""
    return measure_all(retrieval.MEASURES, outcomes)


def paper_ids(assistant: Assistant) -> dict[str, str]:
    """Returns the paper id of every title."""
    return {stored.paper.title: stored.paper.paper_id for stored in assistant.collection.library.iterate()}
