"""Fits the weights of sentence choice and of the gate, and stores them as data with their curve.

    python -m citewell_eval.fit [--shared DIR] [--work DIR]

The sentence weights are fitted on `pages-dev.jsonl` (the listing pages) and `arxiv-train.jsonl` (500 arXiv abstracts of
ten fields), the gate on these and on `sample-a.jsonl` (the packaged sample), whose questions share few words with the
abstracts; `pages-held.jsonl` and `sample-b.jsonl` are only ever reported on. The sentence weights maximise the
likelihood of the sentences that state the asked facts (a softmax over the sentences of a question); the gate is a
logistic regression with an L2 penalty. Answerable questions also serve as unanswerable ones with their papers hidden.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from citewell import evidence, gate
from citewell.assistant import Assistant
from citewell.linear import LinearModel
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from citewell_eval.cases import load_cases
from citewell_eval.collections import open_arxiv, open_pages, shared_folder
from citewell_eval.observe import Observation, observe
from citewell_eval.suites import load_suite

# A question whose paper is hidden looks like one asked in other words than its paper's: the more the first counts, the
# more of the second are refused.
_HIDDEN_WEIGHT = 0.15
# Of answerable questions, so that at the threshold of 0.3 no more of pages-dev are refused than without sample-a.
_ANSWERABLE_WEIGHT, _ANSWERABLE_WEIGHT_LEXICAL = 0.75, 0.7
_REWORDED_WEIGHT = 2.0  # of the questions of sample-a
_SENTENCE_PENALTY, _GATE_PENALTY = 3e-3, 5e-3
_FOLDS = 5
_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
DATA = Path(evidence.__file__).parent / "data"
DATASETS = Path(__file__).resolve().parents[1] / "datasets"

Array = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> None:
    """Fits, stores and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--work", type=Path, help="keeps the indexed collections between runs")
    options = parser.parse_args(argv)
    shared = shared_folder(options.shared)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        model = fit_sentences([o for o in _observe_listed(shared, work) if o.case.answerable])
        store("sentences", model, {})
        evidence.sentence_model.cache_clear()
        # The gate sees the scores of the new sentence weights.
        seen = _observe_listed(shared, work) + _observe_sample(work)
        gates = ("gate", _full, _ANSWERABLE_WEIGHT), ("gate-lexical", _lexical, _ANSWERABLE_WEIGHT_LEXICAL)
        for name, take, answerable_weight in gates:
            points = curve(seen, take, answerable_weight)
            store(name, fit_gate(seen, take, answerable_weight), {"curve": points})
            print(f"{name}: stored; refused shares at each threshold, {_FOLDS}-fold:")
            print(json.dumps(points))


def _observe_listed(shared: Path, work: Path) -> list[Observation]:
    seen: list[Observation] = []
    for name, opened in (("pages-dev", open_pages), ("arxiv-train", open_arxiv)):
        with opened(shared, work / name) as assistant:
            seen += observe(assistant, load_cases(DATASETS / f"{name}.jsonl"), hide=True)
    return seen


def _observe_sample(work: Path) -> list[Observation]:
    with Assistant.open(work / "sample", chroma_url="") as assistant:
        assistant.ingest(load_suite("sample").corpus)
        cases = load_cases(DATASETS / "sample-a.jsonl")
        return list(observe(assistant, cases, hide=True, weight=_REWORDED_WEIGHT))


def _full(observation: Observation) -> Array:
    return observation.gate


def _lexical(observation: Observation) -> Array:
    return observation.lexical


def fit_sentences(seen: Sequence[Observation]) -> LinearModel:
    """Returns weights that rank the sentences stating a fact above the others of the same question."""
    usable = [o for o in seen if o.right.any()]
    mean, scale = _scaling(np.vstack([o.sentences for o in usable]))
    groups = [((o.sentences - mean) / scale, o.right) for o in usable]

    def loss(weights: Array) -> tuple[float, Array]:
        total, slope = 0.0, np.zeros_like(weights)
        for rows, right in groups:
            scores = rows @ weights
            all_, good = logsumexp(scores), logsumexp(scores[right])
            total += all_ - good
            slope += rows.T @ np.exp(scores - all_) - rows[right].T @ np.exp(scores[right] - good)
        count = len(groups)
        return (
            float(total / count + _SENTENCE_PENALTY * weights @ weights),
            slope / count + 2 * _SENTENCE_PENALTY * weights,
        )

    weights = minimize(loss, np.zeros(len(mean)), jac=True).x
    return LinearModel(evidence.FEATURES, mean, scale, weights, 0.0)


def fit_gate(
    seen: Sequence[Observation], take: Callable[[Observation], Array], answerable_weight: float
) -> LinearModel:
    """Returns the logistic regression of "answerable" on the gate's features."""
    rows = np.array([take(o) for o in seen])
    answerable = np.array([float(o.case.answerable) for o in seen])
    weight = np.array([_weight(o, answerable_weight) for o in seen])
    mean, scale = _scaling(rows)
    rows = (rows - mean) / scale

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:-1], parameters[-1]
        logits = rows @ weights + bias
        entropy = weight * (np.logaddexp(0.0, logits) - answerable * logits)
        error = weight * (expit(logits) - answerable) / weight.sum()
        slope = np.append(rows.T @ error + 2 * _GATE_PENALTY * weights, error.sum())
        return entropy.sum() / weight.sum() + _GATE_PENALTY * weights @ weights, slope

    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True).x
    return LinearModel(gate.FEATURES, mean, scale, found[:-1], float(found[-1]))


def _weight(observation: Observation, answerable_weight: float) -> float:
    if observation.case.answerable:
        return observation.weight * answerable_weight
    return observation.weight * (_HIDDEN_WEIGHT if observation.case.kind == "hidden" else 1.0)


def curve(
    seen: Sequence[Observation], take: Callable[[Observation], Array], answerable_weight: float
) -> list[dict[str, float]]:
    """Returns the share of questions refused at each threshold, by kind, each question judged by a fit without it."""
    # Questions are dealt to folds by their id, so that a question and its hidden twin stay together.
    folds = np.array([sum(o.case.id.removesuffix("-hidden").encode()) % _FOLDS for o in seen])
    confidence = np.zeros(len(seen))
    for fold in range(_FOLDS):
        others = [o for o, f in zip(seen, folds, strict=True) if f != fold]
        model = fit_gate(others, take, answerable_weight)
        held = np.flatnonzero(folds == fold).tolist()
        confidence[held] = expit(model.decision(np.array([take(seen[i]) for i in held])))
    kinds = np.array(["answerable" if o.case.answerable else o.case.kind for o in seen])
    return [
        {
            "threshold": threshold,
            **{
                kind: round(float((confidence[kinds == kind] < threshold).mean()), 4)
                for kind in np.unique(kinds)
            },
        }
        for threshold in _THRESHOLDS
    ]


def table(name: str) -> str:
    """Returns the stored curve of a gate as a Markdown table, as docs/gate.md shows it."""
    points = json.loads((DATA / f"{name}.json").read_text("utf-8"))["curve"]
    kinds = ("answerable", "near_topic", "false_premise", "far_off", "nonsense", "hidden")
    lines = ["| threshold | " + " | ".join(kind.replace("_", " ") for kind in kinds) + " |", "|---" * 7 + "|"]
    lines += [
        f"| {point['threshold']:.2f} | " + " | ".join(f"{100 * point[kind]:.1f} %" for kind in kinds) + " |"
        for point in points
        if point["threshold"] <= 0.7
    ]
    return "\n".join(lines)


def store(name: str, model: LinearModel, extra: Mapping[str, object]) -> None:
    """Writes a model into the package's data folder."""
    stored = {
        "features": list(model.features),
        "mean": [round(float(x), 6) for x in model.mean],
        "scale": [round(float(x), 6) for x in model.scale],
        "weights": [round(float(x), 6) for x in model.weights],
        "bias": round(model.bias, 6),
        **extra,
    }
    (DATA / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n", "utf-8")


def _scaling(rows: Array) -> tuple[Array, Array]:
    return rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)


if __name__ == "__main__":
    main()
