"""A collection to try Citewell on: short digests, in our own words, of papers from five listing pages."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Returns the packaged file of digests: one JSON record a line, with title, abstract and source."""
    return Path(__file__).with_name("papers.jsonl")
