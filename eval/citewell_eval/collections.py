"""Collections that evaluation runs on, made from the shared data beside the checkout; none is ever committed."""

from __future__ import annotations

import csv
import hashlib
import lzma
from collections.abc import Iterator
from pathlib import Path

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.types import Paper

_CATEGORIES = (
    "cs.IR", "cs.CR", "cs.DB", "cs.HC", "cs.RO", "physics.ao-ph", "physics.med-ph", "q-bio.NC", "q-bio.PE", "stat.AP",
)  # fmt: skip
_EACH = 50


def shared_folder(given: Path | None = None) -> Path:
    """Returns the folder of shared data.

    Raises:
        UsageError: it is not there.
    """
    folder = given or Path(__file__).resolve().parents[3] / "shared"
    if not (folder / "corpus").is_dir():
        raise UsageError(f"No shared data at {folder}. Name it with --shared DIR.")
    return folder


def open_pages(shared: Path, data_dir: Path) -> Assistant:
    """Returns an assistant over the five listing pages, indexed in `data_dir`."""
    assistant = Assistant.open(data_dir, chroma_url="")  # never into a collection that others share
    assistant.ingest([shared / "corpus"])
    return assistant


def open_arxiv(shared: Path, data_dir: Path) -> Assistant:
    """Returns an assistant over the 500 arXiv abstracts that `arxiv-train.jsonl` asks about."""
    assistant = Assistant.open(data_dir, chroma_url="")  # never into a collection that others share
    assistant.add(list(arxiv_sample(shared / "data" / "arxiv-abstracts")))
    return assistant


def arxiv_sample(folder: Path) -> Iterator[Paper]:
    """Yields 50 papers of each of ten categories: since 2018, 80 to 300 words, lowest sha1 of the arXiv id first."""
    ids: set[str] = set()
    titles: set[str] = set()
    for category in _CATEGORIES:
        found = 0
        for _, arxiv_id, title, abstract in sorted(_recent(folder / f"{category}.tsv.xz", category)):
            if found == _EACH:
                break
            if arxiv_id not in ids and title.lower() not in titles:
                ids.add(arxiv_id)
                titles.add(title.lower())
                found += 1
                yield Paper(title, abstract)


def _recent(path: Path, category: str) -> Iterator[tuple[str, str, str, str]]:
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            abstract = " ".join(row["abstract"].split())
            if (
                row["primary_cat"] == category
                and row["created"] >= "2018"
                and 80 <= len(abstract.split()) <= 300
            ):
                digest = hashlib.sha1(row["arxiv_id"].encode(), usedforsecurity=False).hexdigest()
                yield digest, row["arxiv_id"], " ".join(row["title"].split()), abstract
