"""Fits the thresholds below which BM25, dense retrieval and LlamaIndex refuse, and stores them as data.

    python -m citewell_eval.systems.thresholds [--shared DIR] [--data-dir DIR]

Fitted on `pages-dev.jsonl` over the listing pages, to the highest F1 of refusals: these are the strongest refusals
that one score allows on the very cases that Citewell's own gate was fitted on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from citewell.assistant import Assistant

from citewell_eval.cases import Case, load_cases
from citewell_eval.collections import open_pages, shared_folder
from citewell_eval.systems.base import System
from citewell_eval.systems.dense import DenseSystem
from citewell_eval.systems.fitted import Thresholds
from citewell_eval.systems.lexical import LexicalSystem

STORED = Path(__file__).with_name("thresholds.json")
CASES = Path(__file__).resolve().parents[2] / "datasets" / "pages-dev.jsonl"


def refusal_f1(confidences: Sequence[float], answerable: Sequence[bool], threshold: float) -> float:
    """Returns the F1 of refusing what is below a threshold, where the unanswerable is to be refused."""
    refused = [confidence < threshold for confidence in confidences]
    right = sum(no and not can for no, can in zip(refused, answerable, strict=True))
    expected = sum(not can for can in answerable)
    return 2 * right / (sum(refused) + expected) if right else 0.0


def best_threshold(confidences: Sequence[float], answerable: Sequence[bool]) -> tuple[float, float]:
    """Returns the threshold of the highest refusal F1, and that F1; of several, the one that refuses least.

    Thresholds lie half way between neighbouring confidences, so that none depends on a last digit.
    """
    known = sorted(set(confidences))
    between = [round((a + b) / 2, 6) for a, b in pairwise(known)]
    tried = [round(known[0] - 1e-3, 6), *between, round(known[-1] + 1e-3, 6)]
    scores = {threshold: refusal_f1(confidences, answerable, threshold) for threshold in tried}
    best = max(tried, key=lambda threshold: (scores[threshold], -threshold))
    return best, scores[best]


def fit(assistant: Assistant, cases: Sequence[Case], fitted_on: str) -> Thresholds:
    """Returns the thresholds that suit the cases best."""
    # Imports llama_index, a second or so.
    from citewell_eval.systems.llama import LlamaIndexSystem
    from citewell_eval.systems.llama_parts import build_index

    systems: dict[str, System] = {
        "bm25": LexicalSystem(assistant, threshold=0.0),
        "dense": DenseSystem(assistant, threshold=-1.0),
        "llamaindex": LlamaIndexSystem(assistant, build_index(assistant)),
    }
    answerable = [case.answerable for case in cases]
    found, f1 = {}, {}
    for name, system in systems.items():
        confidences = [system.ask(case.question).confidence for case in cases]
        found[name], f1[name] = best_threshold(confidences, answerable)
    rounded = {name: round(value, 4) for name, value in f1.items()}
    return Thresholds(**found, refusal_f1=rounded, fitted_on=fitted_on)


def main(argv: Sequence[str] | None = None) -> None:
    """Fits, stores and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--data-dir", type=Path, help="keeps the indexed pages between runs")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        data_dir = options.data_dir or Path(temporary)
        with open_pages(shared_folder(options.shared), data_dir) as assistant:
            fitted = fit(assistant, load_cases(CASES), CASES.name)
    text = fitted.model_dump_json(indent=1) + "\n"
    STORED.write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
