"""How well who judges support agrees with labels, and with the deterministic verifier.

Agreement is told as accuracy and as Cohen's kappa (1960), which is 0 for a judge that guesses at its own rates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.types import Paper
from rich.table import Table

from citewell_eval.cases import Case
from citewell_eval.judging import Passage, Support, VerifierSupport
from citewell_eval.outcomes import Progress
from citewell_eval.pairs import load_pairs
from citewell_eval.statistics import share


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence, the passage it is held against, and whether a person says that it is supported."""

    dataset: str
    sentence: str
    passage: Passage
    supported: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge on one labelled set.

    Attributes:
        dataset: the set.
        pairs: how many pairs.
        accuracy: the share judged as labelled, with its 95 % interval `low` to `high`.
        kappa: Cohen's kappa with the labels, nan where one of both says the same of all.
        verifier_kappa: the same of judge and verifier.
        said_supported: the share that the judge calls supported.
    """

    dataset: str
    pairs: int
    accuracy: float
    low: float
    high: float
    kappa: float
    verifier_kappa: float
    said_supported: float

    def to_dict(self) -> dict[str, object]:
        """Returns it for JSON, without what JSON has no number for."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def measure(
    assistant: Assistant,
    cases: Sequence[Case],
    support: Support,
    shared: Path | None,
    limit: int,
    progress: Progress,
) -> list[Agreement]:
    """Returns the agreement on the scripted sentences of the cases, and on the labelled sets of a folder.

    Raises:
        UsageError: there is nothing labelled.
        ModelError: a live judge fails.
    """
    pairs = [*scripted(assistant, cases), *(labelled(shared, limit) if shared else ())]
    if not pairs:
        raise UsageError(
            "Nothing is labelled: the cases have no `writes`. Name labelled sets by --shared DIR."
        )
    verifier = VerifierSupport(assistant.collection.embedder(assistant.collection.snapshot().manifest))
    found = []
    done = 0
    for dataset, own in groupby(pairs, lambda pair: pair.dataset):
        rows = []
        for pair in own:
            judged = [judge(pair.sentence, [pair.passage]) for judge in (support, verifier)]
            rows.append((judged[0], judged[1], pair.supported))
            progress(done := done + 1, len(pairs))
        found.append(_agreement(dataset, rows))
    return found


def _agreement(dataset: str, rows: Sequence[tuple[bool, bool, bool]]) -> Agreement:
    right = share([judge is label for judge, _, label in rows])
    return Agreement(
        dataset,
        len(rows),
        *right,
        kappa([(judge, label) for judge, _, label in rows]),
        kappa([(judge, verifier) for judge, verifier, _ in rows]),
        sum(judge for judge, _, _ in rows) / len(rows),
    )


def kappa(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Returns Cohen's kappa of two raters, nan where chance alone would make them agree always."""
    count = len(pairs)
    observed = sum(one is other for one, other in pairs) / count
    rates = [sum(pair[rater] for pair in pairs) / count for rater in (0, 1)]
    chance = rates[0] * rates[1] + (1 - rates[0]) * (1 - rates[1])
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def scripted(assistant: Assistant, cases: Sequence[Case]) -> Iterator[Labelled]:
    """Yields the scripted sentences that quote a paper of the collection word for word."""
    papers = {stored.paper.title: stored.paper for stored in assistant.collection.library.iterate()}
    for case in cases:
        for written in case.writes:
            paper = papers.get(written.paper)
            if paper is not None and written.quote and written.quote in paper.abstract:
                yield Labelled("scripted", written.sentence, Passage(paper, written.quote), written.faithful)


def labelled(shared: Path, limit: int) -> Iterator[Labelled]:
    """Yields up to `limit` pairs of every labelled set, half of them supported, chosen by their digest."""
    pairs = sorted(load_pairs(shared), key=lambda pair: (pair.dataset, _digest(pair.claim + pair.text)))
    for dataset, own in groupby(pairs, lambda pair: pair.dataset):
        left = {True: limit // 2, False: limit - limit // 2}
        for pair in own:
            if left[pair.supported]:
                left[pair.supported] -= 1
                quote = "\n".join(pair.quotes) or pair.text
                yield Labelled(
                    dataset, pair.claim, Passage(Paper(pair.title, pair.text), quote), pair.supported
                )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def table(found: Sequence[Agreement], judge: str) -> Table:
    """Returns the agreements as a table."""
    shown = Table(title=f"agreement of {judge}", box=None, pad_edge=False, title_justify="left")
    for column in ("set", "pairs", "accuracy [95 %]", "kappa", "kappa with verifier", "called supported"):
        shown.add_column(column, justify="left" if column == "set" else "right")
    for row in found:
        shown.add_row(
            row.dataset,
            str(row.pairs),
            f"{row.accuracy:.2f} [{row.low:.2f}, {row.high:.2f}]",
            _number(row.kappa),
            _number(row.verifier_kappa),
            f"{row.said_supported:.0%}",
        )
    return shown


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"
