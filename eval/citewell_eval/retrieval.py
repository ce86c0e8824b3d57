"""Retrieval over a BEIR-format set: nDCG@10, Recall@100 and MRR by paper, with bootstrap intervals.

    python -m citewell_eval.retrieval DIR [--data-dir D] [--json F]

DIR holds corpus.jsonl, queries.jsonl and qrels/test.tsv. A query without a result counts as zero.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from citewell.assistant import Assistant
from citewell.errors import UsageError

DEPTH = 100
_RESAMPLES, _SEED = 2_000, 20_260_101

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Sequence[str]]


def ndcg(ranking: Sequence[str], relevance: Mapping[str, int], cutoff: int = 10) -> float:
    """Returns nDCG at the cutoff with linear gains (Järvelin and Kekäläinen 2002); 0 without relevant papers."""
    gains = [relevance.get(paper_id, 0) for paper_id in ranking[:cutoff]]
    ideal = sorted(relevance.values(), reverse=True)[:cutoff]
    best = _discounted(ideal)
    return _discounted(gains) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def recall(ranking: Sequence[str], relevance: Mapping[str, int], cutoff: int = DEPTH) -> float:
    """Returns the share of relevant papers within the cutoff; 0 without relevant papers."""
    wanted = {paper_id for paper_id, grade in relevance.items() if grade > 0}
    return len(wanted & set(ranking[:cutoff])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranking: Sequence[str], relevance: Mapping[str, int]) -> float:
    """Returns one over the rank of the first relevant paper, 0 if there is none."""
    ranks = (rank for rank, paper_id in enumerate(ranking, 1) if relevance.get(paper_id, 0) > 0)
    return 1 / next(ranks, math.inf)


def measure(qrels: Qrels, run: Run) -> dict[str, dict[str, float]]:
    """Returns the mean of each measure over all judged queries, with a 95 % bootstrap interval."""
    table = {
        "nDCG@10": [ndcg(run.get(query, ()), judged) for query, judged in qrels.items()],
        f"Recall@{DEPTH}": [recall(run.get(query, ()), judged) for query, judged in qrels.items()],
        "MRR": [reciprocal_rank(run.get(query, ()), judged) for query, judged in qrels.items()],
    }
    rng = np.random.default_rng(_SEED)
    measured = {}
    for name, values in table.items():
        means = rng.choice(np.array(values), (_RESAMPLES, len(values))).mean(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        measured[name] = {
            "mean": round(float(np.mean(values)), 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }
    return measured


def load_set(folder: Path) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Returns the queries and judgements of a BEIR folder.

    Raises:
        UsageError: a file is missing.
    """
    try:
        with (folder / "queries.jsonl").open(encoding="utf-8") as file:
            queries = {record["_id"]: record["text"] for record in map(json.loads, file)}
        qrels: dict[str, dict[str, int]] = {}
        with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    except OSError as error:
        raise UsageError(f"{folder} is no BEIR set: {error.filename} {error.strerror}.") from error
    return queries, qrels


def search_all(assistant: Assistant, queries: Mapping[str, str], qrels: Qrels) -> dict[str, list[str]]:
    """Returns the ranking of every judged query."""
    return {
        query: [result.paper_id for result in assistant.search(queries[query], k=DEPTH)] for query in qrels
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the measures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path, help="also writes the run")
    options = parser.parse_args(argv)
    queries, qrels = load_set(options.folder)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Assistant.open(options.data_dir or temporary) as assistant,
    ):
        assistant.ingest([options.folder / "corpus.jsonl"])
        run = search_all(assistant, queries, qrels)
    measured = measure(qrels, run)
    print(json.dumps(measured, indent=1))
    if options.json:
        options.json.write_text(json.dumps({"measures": measured, "run": run}), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
