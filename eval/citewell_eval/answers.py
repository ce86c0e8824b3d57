"""Runs the assistant over cases and measures its answers and refusals, with 95 % bootstrap intervals.

python -m citewell_eval.answers CASES.jsonl [--corpus FILES…] [--data-dir D] [--json F]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from citewell.assistant import Assistant
from citewell.types import Answer

from citewell_eval.cases import Case, load_cases

_RESAMPLES, _SEED = 2_000, 20_260_101


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case with its answer; `faults` names every broken promise about citations."""

    case: Case
    answer: Answer
    faults: tuple[str, ...]
    seconds: float

    @property
    def facts(self) -> bool:
        """Whether the quotes state the facts of the case."""
        return self.case.states_facts([citation.quote for citation in self.answer.citations])

    @property
    def paper(self) -> bool:
        """Whether a paper of the case is cited."""
        return any(citation.title in self.case.papers for citation in self.answer.citations)


def run(assistant: Assistant, cases: Iterable[Case]) -> list[Outcome]:
    """Returns the outcome of every case, in order."""
    outcomes = []
    for case in cases:
        started = perf_counter()
        answer = assistant.ask(case.question)
        seconds = perf_counter() - started
        outcomes.append(Outcome(case, answer, tuple(faults(assistant, answer)), seconds))
    return outcomes


def faults(assistant: Assistant, answer: Answer) -> Iterable[str]:
    """Yields every way in which an answer breaks a promise: these are errors at any rate."""
    numbers = [citation.number for citation in answer.citations]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"numbers are {numbers}"
    mentioned = list(dict.fromkeys(n for sentence in answer.sentences for n in sentence.citations))
    if mentioned != numbers:
        yield f"first mentions are {mentioned}, citations {numbers}"
    for citation in answer.citations:
        abstract = assistant.show(citation.paper_id).abstract
        if abstract[citation.start : citation.end] != citation.quote:
            yield f"quote {citation.number} is not verbatim"
    for sentence in answer.sentences:
        if not sentence.citations:
            yield f"a sentence cites nothing: {sentence.text!r}"
    if answer.abstained == bool(answer.sentences):
        yield "abstained with sentences, or neither"


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Returns the measures: a share with its interval and count each; shares of refusals by kind."""
    answerable = [o for o in outcomes if o.case.answerable]
    kinds = sorted({o.case.kind for o in outcomes if not o.case.answerable})
    return {
        "cases": len(outcomes),
        "faults": [f"{o.case.id}: {fault}" for o in outcomes for fault in o.faults],
        "fact stated": share([o.facts for o in answerable]),
        "right paper cited": share([o.paper for o in answerable]),
        "answerable refused": share([o.answer.abstained for o in answerable]),
        "fact stated when answered": share([o.facts for o in answerable if not o.answer.abstained]),
        "right paper cited when answered": share([o.paper for o in answerable if not o.answer.abstained]),
        "refused": {
            kind: share([o.answer.abstained for o in outcomes if o.case.kind == kind]) for kind in kinds
        },
        "median milliseconds": round(1000 * median(o.seconds for o in outcomes), 1),
    }


def share(hits: Sequence[bool]) -> dict[str, float]:
    """Returns the share of hits with a 95 % percentile bootstrap interval (Efron 1979), seeded, and the count."""
    if not hits:
        return {"share": float("nan"), "low": float("nan"), "high": float("nan"), "of": 0}
    values = np.array(hits, dtype=float)
    rng = np.random.default_rng(_SEED)
    means = rng.choice(values, (_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "share": round(float(values.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "of": len(hits),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the measures as JSON; returns 1 if an answer broke a promise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("--corpus", type=Path, nargs="*", default=[])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path, help="also writes every case")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Assistant.open(options.data_dir or temporary) as assistant,
    ):
        if options.corpus:
            assistant.ingest(options.corpus)
        outcomes = run(assistant, load_cases(options.cases))
    measured = summary(outcomes)
    json.dump(measured, sys.stdout, indent=1)
    print()
    if options.json:
        rows = [{"id": o.case.id, "facts": o.facts, "paper": o.paper, **o.answer.to_dict()} for o in outcomes]
        options.json.write_text(json.dumps({"summary": measured, "cases": rows}, ensure_ascii=False), "utf-8")
    return 1 if measured["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
