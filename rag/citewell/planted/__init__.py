"""Planted text: what an abstract says to a reading assistant instead of to its readers.

Whoever writes an abstract may put an order into it: to forget what the assistant was told, to answer with a word, to
show a link. Such sentences are found by what they say, so that none of them is quoted, nothing is taken from them, and
a word that stands only there counts as not held. The abstract itself stays as it is.

A paper may well write about such orders. One that stands in quotation marks in a sentence that tells of it, or that is
put in other words ("the attacker asks the model to ignore its instructions"), is not planted; nor is the plain address
of code or data.
"""

from citewell.planted.finding import planted_spans, touches_planted, unplanted

__all__ = ["planted_spans", "touches_planted", "unplanted"]
