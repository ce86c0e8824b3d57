"""The fitted thresholds of the systems that refuse by one score; `thresholds.py` fits them."""

from __future__ import annotations

from importlib import resources

from pydantic import BaseModel, ConfigDict


class Thresholds(BaseModel):
    """Least confidence at which each system answers, on its own scale.

    Attributes:
        bm25: share of the most that BM25 could reach, 0..1.
        dense: cosine of the nearest sentence.
        llamaindex: cosine of the nearest LlamaIndex node; the `similarity_cutoff`.
        refusal_f1: F1 of refusals that each reaches on the cases it was fitted on.
        fitted_on: name of the file of cases.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bm25: float
    dense: float
    llamaindex: float
    refusal_f1: dict[str, float]
    fitted_on: str


def load_thresholds() -> Thresholds:
    """Returns the thresholds that ship with the eval suite."""
    stored = resources.files("citewell_eval").joinpath("systems", "thresholds.json")
    return Thresholds.model_validate_json(stored.read_text("utf-8"))
