"""Measures of a ranking against graded relevance by paper. A case without a result counts as zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from citewell_eval.measures.base import Measure, Row, hit
from citewell_eval.outcomes import DEPTH, Outcome

FAMILY = "retrieval"


def ndcg(ranking: Sequence[str], relevance: Mapping[str, int], cutoff: int = 10) -> float:
    """Returns nDCG at the cutoff with linear gains (Järvelin and Kekäläinen 2002); 0 without relevant papers."""
    gains = [relevance.get(paper_id, 0) for paper_id in ranking[:cutoff]]
    best = _discounted(sorted(relevance.values(), reverse=True)[:cutoff])
    return _discounted(gains) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def recall(ranking: Sequence[str], relevance: Mapping[str, int], cutoff: int = 10) -> float:
    """Returns the share of relevant papers within the cutoff; 0 without relevant papers."""
    wanted = {paper_id for paper_id, grade in relevance.items() if grade > 0}
    return len(wanted & set(ranking[:cutoff])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranking: Sequence[str], relevance: Mapping[str, int]) -> float:
    """Returns one over the rank of the first relevant paper (Voorhees 1999), 0 if there is none."""
    ranks = (rank for rank, paper_id in enumerate(ranking, 1) if relevance.get(paper_id, 0) > 0)
    return 1 / next(ranks, math.inf)


def success(ranking: Sequence[str], relevance: Mapping[str, int], cutoff: int = 1) -> float:
    """Returns whether a relevant paper is within the cutoff (Craswell 2009)."""
    return float(any(relevance.get(paper_id, 0) > 0 for paper_id in ranking[:cutoff]))


def _measure(name: str, score: Callable[[Sequence[str], Mapping[str, int]], float]) -> Measure:
    def row(outcome: Outcome) -> Row | None:
        judged = any(grade > 0 for grade in outcome.relevance.values())
        return hit(score(outcome.ranking, outcome.relevance)) if judged else None

    return Measure(name, FAMILY, row)


MEASURES = (
    _measure("nDCG@10", ndcg),
    _measure("Recall@10", recall),
    _measure(f"Recall@{DEPTH}", lambda ranking, relevance: recall(ranking, relevance, DEPTH)),
    _measure("MRR", reciprocal_rank),
    _measure("Success@1", success),
)
