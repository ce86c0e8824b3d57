"""Stand-in until the fitted model is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from citewell.citations import Source
from citewell.embedding.base import Embedder
from citewell.text import content_stems


@dataclass(frozen=True, slots=True)
class Support:
    supported: bool
    score: float
    check: Literal["content", "polarity"]
    reason: str | None


def judge(
    sentence: str,
    quotes: Sequence[str],
    sources: Sequence[Source],
    embedder: Embedder | None,
    threshold: float | None = None,
) -> Support:
    """Stand-in."""
    want = set(content_stems(sentence))
    have = set(content_stems(" ".join(quotes)))
    share = len(want & have) / max(1, len(want))
    return Support(share >= 0.4, share, "content", None if share >= 0.4 else "The quotes do not say this.")
