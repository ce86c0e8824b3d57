"""The measures of the eval suite, a file a family."""

from citewell_eval.judging import Support
from citewell_eval.measures import answers, citations, refusal, retrieval, safety
from citewell_eval.measures.base import Measure, Measured, measure_all

__all__ = ["Measure", "Measured", "all_measures", "measure_all", "retrieval"]


def all_measures(support: Support) -> tuple[Measure, ...]:
    """Returns every measure; `support` decides whether passages support a sentence."""
    families = (retrieval.MEASURES, answers.MEASURES, citations.measures(support), refusal.MEASURES)
    return tuple(measure for family in (*families, safety.MEASURES) for measure in family)
