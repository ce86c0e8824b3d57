"""Measures of what is said: the asked facts, and the papers they are taken from.

A case states its facts as short strings that a right sentence holds, as "exact match" measures of short answers do
(ALCE's EM recall): strict with paraphrases, blind to nothing else.
"""

from __future__ import annotations

from citewell_eval.measures.base import Measure, Row, hit
from citewell_eval.outcomes import Outcome

FAMILY = "answers"


def _facts(outcome: Outcome) -> Row | None:
    """Whether the sentences, not only the passages behind them, state every fact of an answerable case."""
    case = outcome.case
    if not case.answerable or not case.facts or case.writes:
        return None
    said = [sentence.text for sentence in outcome.answer.sentences] if outcome.answer else []
    return hit(outcome.answered and case.states_facts(said))


def _paper(outcome: Outcome) -> Row | None:
    if not outcome.relevance or outcome.case.writes or outcome.case.kind == "query":
        return None
    cited = outcome.answer.citations if outcome.answer and outcome.answered else ()
    return hit(any(citation.paper_id in outcome.relevance for citation in cited))


def _answered_right(outcome: Outcome) -> Row | None:
    return _facts(outcome) if outcome.answered else None


MEASURES = (
    Measure("fact correctness", FAMILY, _facts),
    Measure("fact correctness when answered", FAMILY, _answered_right),
    Measure("a right paper cited", FAMILY, _paper),
)
