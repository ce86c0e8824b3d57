"""Retrieval sets in BEIR's format (Thakur et al. 2021): corpus.jsonl, queries.jsonl, qrels/test.tsv in a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from citewell.errors import UsageError

Qrels = Mapping[str, Mapping[str, int]]


def corpus_of(folder: Path) -> Path:
    """Returns the file of documents."""
    return folder / "corpus.jsonl"


def load_set(folder: Path) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Returns the queries and judgements of a folder.

    Raises:
        UsageError: a file is missing, or a line of it cannot be read.
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
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} is no BEIR set: {error!r} in queries.jsonl or qrels/test.tsv.") from error
    return queries, qrels
