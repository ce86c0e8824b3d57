"""Claims with abstracts that support them or do not, from four public sets; none is ever committed."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from citewell.chunking import sentence_spans
from citewell.text import content_stems, stems

_LONGEST_REFERENCE = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim with an abstract, and what the abstract is to it; `group` keeps relatives in one fold.

    `quotes` are the sentences that annotators gave as evidence, where the set names them.
    """

    dataset: str
    kind: str
    group: str
    claim: str
    title: str
    text: str
    quotes: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether the abstract supports the claim."""
        return self.kind == "supported"


def load_pairs(shared: Path) -> list[Pair]:
    """Returns the pairs of all four sets."""
    data = shared / "data"
    return [
        *scifact(data),
        *healthver(data / "groundedness" / "healthver_dev.csv"),
        *summedits(data / "groundedness" / "summedits_scitldr.json"),
        *attribution(data / "groundedness" / "attributionbench_dev_all_subset_balanced.jsonl"),
    ]


def scifact(data: Path) -> Iterator[Pair]:
    """Yields SciFact's training claims with the abstracts they cite and, if any has evidence, BM25's top wrong one."""
    claims = _lines(data / "scifact-claims" / "claims_train.jsonl")
    corpus = {str(row["_id"]): row for row in _lines(data / "scifact-train" / "corpus.jsonl")}
    group = _components(claims)
    search = BM25([f"{row['title']} {row['text']}" for row in corpus.values()])
    ids = list(corpus)
    for claim in claims:
        cited = [str(number) for number in claim["cited_doc_ids"]]
        text = str(claim["claim"])
        for number in cited:
            evidence = claim["evidence"].get(number, [])
            labels = {part["label"] for part in evidence}
            kind = (
                {"SUPPORT": "supported", "CONTRADICT": "contradicting"}[labels.pop()]
                if labels
                else "no evidence"
            )
            if number in corpus:
                row = corpus[number]
                quotes = _sentences(row["text"], evidence[0]["sentences"]) if evidence else ()
                yield Pair("scifact", kind, group[claim["id"]], text, row["title"], row["text"], quotes)
        if claim["evidence"]:
            wrong = corpus[next(ids[i] for i in search.ranked(text) if ids[i] not in cited)]
            yield Pair("scifact", "wrong", group[claim["id"]], text, wrong["title"], wrong["text"])


def healthver(path: Path) -> Iterator[Pair]:
    """Yields HealthVer's claims with their evidence; a group is a question."""
    kinds = {"Supports": "supported", "Refutes": "contradicting", "Neutral": "no evidence"}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Pair("healthver", kinds[row["label"]], row["question"], row["claim"], "", row["evidence"])


def summedits(path: Path) -> Iterator[Pair]:
    """Yields summaries of abstracts, true or edited; a group is an abstract."""
    for row in json.loads(path.read_text("utf-8")):
        kind = "supported" if row["label"] else "edited"
        yield Pair("summedits", kind, row["doc"][:80], row["summary"], "", row["doc"])


def attribution(path: Path) -> Iterator[Pair]:
    """Yields AttributionBench's claims with their references as one text; a group is a question."""
    for row in _lines(path):
        kind = "supported" if row["attribution_label"] == "attributable" else "no evidence"
        text = "\n".join(row["references"])[:_LONGEST_REFERENCE]
        yield Pair("attribution", kind, row["question"], row["claim"], "", text)


class BM25:
    """Ranks texts by BM25 (k1 = 1.2, b = 0.75) over stems, in memory."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(stems(text)) for text in texts]
        lengths = np.array([sum(counts.values()) for counts in self._counts], dtype=float)
        self._norms = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
        self._holders: dict[str, list[int]] = {}
        for i, counts in enumerate(self._counts):
            for stem in counts:
                self._holders.setdefault(stem, []).append(i)

    def ranked(self, query: str) -> list[int]:
        """Returns the places of the texts, best first."""
        scores = np.zeros(len(self._counts))
        for stem in content_stems(query):
            holders = self._holders.get(stem, [])
            idf = math.log(1 + (len(scores) - len(holders) + 0.5) / (len(holders) + 0.5))
            for i in holders:
                frequency = self._counts[i][stem]
                scores[i] += idf * 2.2 * frequency / (frequency + self._norms[i])
        return [int(i) for i in np.argsort(-scores, kind="stable")]


def _sentences(text: str, places: Sequence[int]) -> tuple[str, ...]:
    """Returns sentences by their places; SciFact's own cut is not given, and ours may differ from it."""
    spans = sentence_spans(text)
    return tuple(text[slice(*spans[place])] for place in places if place < len(spans))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _components(claims: Sequence[Mapping[str, Any]]) -> dict[object, str]:
    """Returns for each claim the name of its group: claims that cite a common abstract, however indirectly."""
    parents: dict[object, object] = {}

    def root(item: object) -> object:
        while parents.setdefault(item, item) != item:
            item = parents[item]
        return item

    for claim in claims:
        for number in claim["cited_doc_ids"]:
            parents[root(f"d{number}")] = root(claim["id"])
    return {claim["id"]: str(root(claim["id"])) for claim in claims}
