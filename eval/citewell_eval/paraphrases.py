"""Measures how many faithful paraphrases the verifier withholds, and how many false ones, by kind.

python -m citewell_eval.paraphrases [CASES.jsonl…] --data-dir D [--failed]

D holds the five listing pages, indexed. A case is one line of JSON; `eval/datasets/paraphrases-*.jsonl` are all ours,
and hold no words of any abstract but what a paraphrase shares with it:

| field | meaning |
|---|---|
| paper_id | the paper cited, by its id in the collection |
| start, end | the characters of the abstract that are quoted: a whole sentence |
| sentence | what a model could have written about it |
| kind | `faithful`, or how it is false: `wrong thing`, `wrong number`, `wrong direction`, `swapped` |
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from citewell.assistant import Assistant
from citewell.citations import Cited, Claim, Source
from citewell.errors import UsageError
from citewell.types import Rejected, Span
from citewell.verification import verify

from citewell_eval.statistics import share

KINDS = ("faithful", "wrong thing", "wrong number", "wrong direction", "swapped")
_DATASETS = Path(__file__).resolve().parents[1] / "datasets"


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """A sentence about a quoted sentence; see the module's table."""

    paper_id: str
    span: Span
    sentence: str
    kind: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case with the first of its sentences that is withheld, None where all would be shown."""

    case: Paraphrase
    rejected: Rejected | None


def load_paraphrases(path: Path) -> list[Paraphrase]:
    """Returns the cases of a file.

    Raises:
        UsageError: the file cannot be read, or a line is not a case.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read the paraphrases {path}: {error.strerror}.") from error
    cases = []
    for number, line in enumerate(lines, 1):
        try:
            raw = json.loads(line)
            case = Paraphrase(raw["paper_id"], Span(raw["start"], raw["end"]), raw["sentence"], raw["kind"])
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{path}:{number} is not a paraphrase: {error!r}. See citewell_eval.paraphrases."
            raise UsageError(reason) from error
        if case.kind not in KINDS:
            raise UsageError(f"{path}:{number} has the kind {case.kind!r}; it must be one of {KINDS}.")
        cases.append(case)
    return cases


def run(assistant: Assistant, cases: Sequence[Paraphrase]) -> list[Verdict]:
    """Returns the verifier's verdict on each case as if a model had quoted the sentence it is about.

    Raises:
        UsageError: the collection lacks a paper of the cases.
    """
    embedder = assistant.collection.embedder(assistant.collection.snapshot().manifest)
    verdicts = []
    for case in cases:
        source = _source(assistant, case.paper_id)
        quote = source.paper.abstract[case.span.start : case.span.end]
        claim = Claim(case.sentence, (Cited(source.number, quote),))
        judged = verify(claim, [source], embedder)
        verdicts.append(Verdict(case, next((j for j in judged if isinstance(j, Rejected)), None)))
    return verdicts


def _source(assistant: Assistant, paper_id: str) -> Source:
    """Returns a paper as the source that answers are drawn from, with the vectors of the index."""
    paper, library = assistant.show(paper_id), assistant.collection.library
    row = library.rows_of([paper_id])[paper_id]
    passages = library.passages([row], library.manifest())[row]
    return Source(1, paper, tuple(passages.spans), passages.chunks)


def summary(verdicts: Sequence[Verdict]) -> dict[str, dict[str, object]]:
    """Returns by kind the share withheld, with its 95 % interval and count, and how often each check withheld one."""
    measured: dict[str, dict[str, object]] = {}
    for kind in KINDS:
        own = [verdict for verdict in verdicts if verdict.case.kind == kind]
        checks = Counter(verdict.rejected.check for verdict in own if verdict.rejected is not None)
        withheld = share([verdict.rejected is not None for verdict in own])
        rounded = {
            "share": round(withheld.value, 4),
            "low": round(withheld.low, 4),
            "high": round(withheld.high, 4),
        }
        measured[kind] = {**rounded, "of": len(own), "checks": dict(checks.most_common())}
    return measured


def measure(assistant: Assistant, cases: Sequence[Paraphrase]) -> dict[str, dict[str, object]]:
    """Returns the summary of the verdicts on the cases."""
    return summary(run(assistant, cases))


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the measures of each file as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, nargs="*", default=sorted(_DATASETS.glob("paraphrases-*.jsonl")))
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--failed", action="store_true", help="also print what was judged wrong, and why")
    options = parser.parse_args(argv)
    with Assistant.open(options.data_dir, create=False) as assistant:
        verdicts = {path.stem: run(assistant, load_paraphrases(path)) for path in options.cases}
    json.dump({name: summary(judged) for name, judged in verdicts.items()}, sys.stdout, indent=1)
    print()
    if options.failed:
        for verdict in (verdict for judged in verdicts.values() for verdict in judged):
            if (verdict.case.kind == "faithful") == (verdict.rejected is not None):
                why = f"{verdict.rejected.check}: {verdict.rejected.reason}" if verdict.rejected else "shown"
                print(f"{verdict.case.kind} | {verdict.case.sentence} | {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
