"""Additions: a clause hung on to a faithful sentence that the cited abstracts do not speak of at all.

Likeness is measured over a whole sentence, so that "A is faster than B, and it cures cancer" is still like its quote.
Here the clauses behind the first are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from citewell.text import STOPWORDS, stem, words

_JOINT = re.compile(
    r"[;:]\s|\s[\u2013\u2014-]\s"
    r"|,\s(?=(?:and|but|so|which|who|while|whereas|because|since|although|though|thus|thereby|hence|where|making"
    r"|leading|resulting|suggesting|indicating|showing|proving|as)\b)"
    r"|\s(?=(?:because|since|although|though|while|whereas|so\s+that|even\s+if|due\s+to|thanks\s+to)\b)",
    re.IGNORECASE,
)
_WEAK_JOINT = re.compile(r",\s|\s\(|\s(?=(?:and|or|but)\b)", re.IGNORECASE)  # may stand in a mere list
# So many words of content make an addition; fewer may be another name for what the abstract says.
_LEAST = ((_JOINT, 2), (_WEAK_JOINT, 3))
_SAME_START = 5  # letters in which "reviewed" and "reviewer" agree


def problem(claim: str, abstracts: Sequence[str]) -> str | None:
    """Returns which clause behind the first of a claim has nothing of what the abstracts say, or None."""
    held = {form for abstract in abstracts for word in words(abstract) for form in _forms(word)}
    for clause, least in ((clause, least) for joint, least in _LEAST for clause in joint.split(claim)[1:]):
        content = {word for word in words(clause) if word not in STOPWORDS and len(word) > 2}
        if len(content) >= least and not any(held.intersection(_forms(word)) for word in content):
            return f'No cited source speaks of "{clause.strip(" .)")}"; leave it out.'
    return None


def _forms(word: str) -> set[str]:
    return {stem(word), word[:_SAME_START]} if len(word) >= _SAME_START else {stem(word)}
