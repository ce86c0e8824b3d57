"""Fits the models that judge support, and prints how well they tell supported sentences from others.

    python -m citewell_eval.support fit [--shared DIR]
    python -m citewell_eval.support table

`fit` reads SciFact's training claims, HealthVer, SummEdits and AttributionBench from the shared data, about ten
minutes on two cores, and stores weights, curve and table in `rag/citewell/data`. Every score in the table is of a fit
that has not seen the claim's group (five folds; a group is a SciFact component of claims that cite common abstracts,
or a question, or a document).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from citewell.chunking import sentence_spans
from citewell.citations import Source
from citewell.embedding.base import Passages
from citewell.embedding.minilm import MiniLM
from citewell.linear import LinearModel
from citewell.types import Paper
from citewell.verification.polarity import contradiction
from citewell.verification.support import CONTENT, LEXICAL, POLARITY, POLARITY_THRESHOLD, observe
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from citewell_eval.collections import shared_folder
from citewell_eval.fit import DATA, store
from citewell_eval.pairs import Pair, load_pairs

Array = NDArray[np.float64]
_FOLDS, _PENALTY, _DRAWS = 5, 3e-3, 1_000
# How much each set weighs in the two fits.
_CONTENT_WEIGHTS = {"scifact": 3.0, "healthver": 0.0, "attribution": 1.0, "summedits": 0.0}
_POLARITY_WEIGHTS = {"scifact": 3.0, "healthver": 1.0, "attribution": 0.0, "summedits": 1.0}
_TURNED = ("contradicting", "edited")
# What a feature can only speak for (1) or against (-1), so that no set's habits are learned.
_AGAINST = {"numbers_missing", *POLARITY} - {"parity"}
# What is told from what, the check that is meant for it, and the target. A sentence does not say which check it needs,
# so the table also has both together, as one score.
ROWS = (
    ("a contradicting abstract", "scifact", "contradicting", "polarity", 0.70),
    ("BM25's top wrong abstract", "scifact", "wrong", "content", 0.87),
    ("a cited abstract without evidence", "scifact", "no evidence", "content", 0.90),
    ("edited summaries (SummEdits)", "summedits", "edited", "polarity", 0.62),
    ("AttributionBench dev", "attribution", "no evidence", "content", 0.74),
    ("HealthVer: refuting evidence", "healthver", "contradicting", "polarity", None),
    ("HealthVer: neutral evidence", "healthver", "no evidence", "content", None),
)
_JUDGED = ("supported", "contradicting", "no evidence", "wrong")
_THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True, slots=True)
class Table:
    """The features of pairs: `content` of shape (n, len(CONTENT)), `polarity` of shape (n, len(POLARITY)).

    `contradicted` says whether a rule finds a contradiction, which no model is asked about, shape (n,).
    """

    pairs: Sequence[Pair]
    content: Array
    polarity: Array
    contradicted: NDArray[np.bool_]

    @property
    def labels(self) -> Array:
        """1 where the abstract supports the claim."""
        return np.array([pair.supported for pair in self.pairs], dtype=float)

    @property
    def folds(self) -> NDArray[np.int64]:
        """The fold of each pair, the same for all of a group."""
        digests = [hashlib.sha256(f"{p.dataset} {p.group}".encode()).digest() for p in self.pairs]
        return np.array([digest[0] % _FOLDS for digest in digests])


def observe_all(pairs: Sequence[Pair], model: MiniLM, quoted: bool = False) -> Table:
    """Returns the features of the pairs; `quoted` ones cite the evidence, or the nearest sentence if none is known."""
    content, turned, contradicted = [], [], []
    for pair in pairs:
        source = as_source(pair.title, pair.text, model)
        quotes = (pair.quotes or _nearest(pair.claim, source, model)) if quoted else ()
        seen = observe(pair.claim, quotes, [source], model)
        content.append([seen.content.get(name, 0.0) for name in CONTENT])
        turned.append([seen.polarity[name] for name in POLARITY])
        contradicted.append(contradiction(pair.claim, seen.evidence) is not None)
    return Table(pairs, np.array(content), np.array(turned), np.array(contradicted, dtype=bool))


def _nearest(claim: str, source: Source, model: MiniLM) -> tuple[str, ...]:
    """Returns what a model that lies would quote: the sentence of the abstract most like the claim."""
    if source.vectors is None or not source.spans:
        return ()
    best = source.spans[int(np.argmax(source.vectors @ model.embed_queries([claim])[0]))]
    return (source.paper.abstract[slice(*best)],)


def as_source(title: str, text: str, model: MiniLM) -> Source:
    """Returns an abstract as a source with the vectors that an index would hold."""
    spans = tuple(sentence_spans(text))
    (vectors,) = model.embed_papers([Passages(title, text, spans)])
    return Source(1, Paper(title, text, paper_id="pair"), spans, vectors.chunks)


def fit_all(table: Table) -> dict[str, LinearModel]:
    """Returns the three models, fitted on all pairs."""
    return _fit(table, np.ones(len(table.pairs), dtype=bool))


def cross_validated(table: Table, content: str = "support", shown: Table | None = None) -> dict[str, Array]:
    """Returns for both checks the probability of each pair, by models that have not seen its group.

    Args:
        table: what the models are fitted on.
        content: which model the content is judged by.
        shown: what they are asked about, by default the table itself.
    """
    shown = shown or table
    found = {"content": np.zeros(len(shown.pairs)), "polarity": np.zeros(len(shown.pairs))}
    for fold in range(_FOLDS):
        left_out = shown.folds == fold
        models = _fit(table, table.folds != fold)
        model = models[content]
        columns = [CONTENT.index(name) for name in model.features]
        found["content"][left_out] = expit(model.decision(shown.content[left_out][:, columns]))
        found["polarity"][left_out] = expit(models["polarity"].decision(shown.polarity[left_out]))
    return found


def _fit(table: Table, chosen: NDArray[np.bool_]) -> dict[str, LinearModel]:
    kinds = np.array([pair.kind for pair in table.pairs])
    same = chosen & ~np.isin(kinds, _TURNED)
    turned = chosen & np.isin(kinds, ("supported", *_TURNED))
    weights = _balanced(table.pairs, same, _CONTENT_WEIGHTS)
    lexical = table.content[:, [CONTENT.index(name) for name in LEXICAL]]
    return {
        "support": _logistic(CONTENT, table.content, table.labels, weights),
        "support-lexical": _logistic(LEXICAL, lexical, table.labels, weights),
        "polarity": _logistic(
            POLARITY, table.polarity, table.labels, _balanced(table.pairs, turned, _POLARITY_WEIGHTS)
        ),
    }


def _balanced(pairs: Sequence[Pair], chosen: NDArray[np.bool_], of_set: Mapping[str, float]) -> Array:
    """Returns weights by which supported and other pairs of a set count alike, and so do its kinds of others."""
    counts = Counter((p.dataset, p.kind) for p, is_chosen in zip(pairs, chosen, strict=True) if is_chosen)
    others = Counter(dataset for dataset, kind in counts if kind != "supported")
    weights = [
        of_set[p.dataset] / counts[p.dataset, p.kind] / (1 if p.supported else others[p.dataset])
        if is_chosen
        else 0
        for p, is_chosen in zip(pairs, chosen, strict=True)
    ]
    return np.array(weights) / sum(weights)


def _logistic(names: Sequence[str], rows: Array, labels: Array, weights: Array) -> LinearModel:
    """Returns the logistic model with an L2 penalty whose features keep the sign they are meant to have."""
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    scaled = (rows - mean) / scale

    def loss(parameters: Array) -> tuple[float, Array]:
        logits = scaled @ parameters[:-1] + parameters[-1]
        error = weights * (expit(logits) - labels)
        penalty = _PENALTY * parameters[:-1] @ parameters[:-1]
        value = (weights * (np.logaddexp(0, logits) - labels * logits)).sum() + penalty
        return float(value), np.append(scaled.T @ error + 2 * _PENALTY * parameters[:-1], error.sum())

    bounds = [(None, 0) if name in _AGAINST else (0, None) for name in names]
    found = minimize(
        loss, np.zeros(len(names) + 1), jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B"
    ).x
    return LinearModel(tuple(names), mean, scale, found[:-1], float(found[-1]))


# --- reporting -------------------------------------------------------------------------------------------


def auroc(positive: Array, negative: Array) -> float:
    """Returns the probability that a positive scores above a negative, ties counting half."""
    ranks = rankdata(np.concatenate([positive, negative]))
    count = len(positive)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negative)))


def report(table: Table, scores: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Returns one row of `ROWS` each: AUROC of the check meant for it, of both as one score, and of words alone.

    The intervals are of 95 %, by bootstrap over groups.
    """
    rows = []
    both = scores["content"] * scores["polarity"]
    keys = np.array([f"{p.dataset} {p.kind}" for p in table.pairs])
    groups = np.array([p.group for p in table.pairs])
    lexical = table.content[:, CONTENT.index("known")]
    for name, dataset, kind, check, _ in ROWS:
        positive, negative = keys == f"{dataset} supported", keys == f"{dataset} {kind}"
        rows.append(
            {
                "against": name,
                "check": check,
                "pairs": [int(positive.sum()), int(negative.sum())],
                "auroc": round(auroc(scores[check][positive], scores[check][negative]), 3),
                "interval": _interval(scores[check], positive, negative, groups),
                "both": round(auroc(both[positive], both[negative]), 3),
                "both_interval": _interval(both, positive, negative, groups),
                "words_alone": round(auroc(lexical[positive], lexical[negative]), 3),
            }
        )
    return rows


def _interval(
    scores: Array, positive: NDArray[np.bool_], negative: NDArray[np.bool_], groups: NDArray[np.str_]
) -> list[float]:
    chosen = np.flatnonzero(positive | negative)
    names, member = np.unique(groups[chosen], return_inverse=True)
    members = [chosen[member == i] for i in range(len(names))]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        picked = np.concatenate([members[i] for i in random.integers(len(members), size=len(members))])
        good, bad = picked[positive[picked]], picked[negative[picked]]
        if len(good) and len(bad):
            drawn.append(auroc(scores[good], scores[bad]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [round(float(low), 3), round(float(high), 3)]


def curve(table: Table, scores: Mapping[str, Array]) -> dict[str, list[dict[str, float]]]:
    """Returns for each check and threshold the share of each kind of pair that the check withholds."""
    keys = np.array([f"{p.dataset} {p.kind}" for p in table.pairs])
    return {
        check: [
            {"threshold": threshold, **{str(k): _below(score[keys == k], threshold) for k in np.unique(keys)}}
            for threshold in _THRESHOLDS
        ]
        for check, score in scores.items()
    }


def judged(table: Table, scores: Mapping[str, Array]) -> list[dict[str, float]]:
    """Returns the share of SciFact's pairs that rules, polarity and content together withhold, by content threshold."""
    kinds = np.array([f"{p.dataset} {p.kind}" for p in table.pairs])
    turned = table.contradicted | (scores["polarity"] < POLARITY_THRESHOLD)
    return [
        {
            "threshold": threshold,
            **{
                kind: round(
                    float((turned | (scores["content"] < threshold))[kinds == f"scifact {kind}"].mean()), 3
                )
                for kind in _JUDGED
            },
        }
        for threshold in _THRESHOLDS
    ]


def _below(scores: Array, threshold: float) -> float:
    return round(float((scores < threshold).mean()), 3)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the table of docs/verifier.md."""
    targets = {name: "" if target is None else f"{target:.2f}" for name, *_, target in ROWS}
    lines = [
        "| supported claims against | pairs | check | its AUROC | both as one score | words alone | target |"
    ]
    lines.append("|---" * 7 + "|")
    for row in rows:
        (low, high), (both_low, both_high) = row["interval"], row["both_interval"]
        lines.append(
            f"| {row['against']} | {row['pairs'][0]} / {row['pairs'][1]} | {row['check']} "
            f"| {row['auroc']:.3f} ({low:.3f}–{high:.3f}) | {row['both']:.3f} ({both_low:.3f}–{both_high:.3f}) "
            f"| {row['words_alone']:.3f} | {targets[row['against']]} |"
        )
    return "\n".join(lines)


def judged_markdown(points: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Returns the operating points of docs/verifier.md."""
    lines = ["| quotes given | content threshold | supported | " + " | ".join(_JUDGED[1:]) + " |"]
    lines.append("|---" * (2 + len(_JUDGED)) + "|")
    lines += [
        f"| {given} | {point['threshold']:.2f} | "
        + " | ".join(f"{100 * point[kind]:.1f} %" for kind in _JUDGED)
        + " |"
        for given, listed in points.items()
        for point in listed
    ]
    return "\n".join(lines)


def stored() -> dict[str, Any]:
    """Returns what the last fit stored: "table" and "judged" among others."""
    found: dict[str, Any] = json.loads((DATA / "support.json").read_text("utf-8"))
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Fits and stores, or prints the table stored."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["fit", "table"])
    parser.add_argument("--shared", type=Path)
    options = parser.parse_args(argv)
    if options.command == "fit":
        pairs, model = load_pairs(shared_folder(options.shared)), MiniLM()
        quoted = [pair for pair in pairs if pair.dataset == "scifact"]
        fit_and_store(observe_all(pairs, model), observe_all(quoted, model, quoted=True))
    print(markdown(stored()["table"]), judged_markdown(stored()["judged"]), sep="\n\n")


def fit_and_store(table: Table, quoted: Table) -> None:
    """Stores the models, and with them how the fits of the folds do."""
    scores = cross_validated(table)
    lexical = cross_validated(table, "support-lexical")
    points = {"no": judged(table, scores), "yes": judged(quoted, cross_validated(table, shown=quoted))}
    extra: dict[str, dict[str, object]] = {
        "support": {"table": report(table, scores), "judged": points, "curve": curve(table, scores)},
        "support-lexical": {"table": report(table, lexical)},
    }
    for name, model in fit_all(table).items():
        store(name, model, extra.get(name, {}))


if __name__ == "__main__":
    main()
