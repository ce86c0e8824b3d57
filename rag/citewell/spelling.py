"""Spelling: misspelt words of a question, taken for the nearest word that a paper holds.

A word counts as misspelt when no paper holds it and it is not in the embedding model's vocabulary of whole
words. It needs five letters, its first must be right, and one slip is forgiven up to eight letters, two beyond
(an insertion, deletion, substitution or swap of neighbours). A question in another language is left alone: its words
are no slips of English ones ("Warum", "warm").
"""

from __future__ import annotations

import re

from rapidfuzz import process
from rapidfuzz.distance import OSA

from citewell.embedding.base import TokenEmbedder
from citewell.library import Library
from citewell.text import STOPWORDS, fold, stem, words

_WORD = re.compile(r"[^\W\d_]{5,}")
_SHORTEST = 5
_LONG = 8
# Frequent words of German, French, Spanish, Italian, Portuguese and Dutch that are no English ones.
_FOREIGN = frozenset(
    """
    der die das und ist ein eine einen wie wird werden warum welche welcher welches viel von bis bei nicht mit auf fur
    wer wo le les une des du est que qui quel quelle comment combien pourquoi dans avec pour aux ont sont par leur
    el los las una del es como cual cuales cuanto cuanta cuantos cuantas por con sin frente donde quien
    il gli di che quale quali quanto quanti perche con sono nella della uma quais quantos nao sao
    het een wat hoe waarom hoeveel welke zijn
    """.split()
)


def correct(question: str, library: Library, embedder: TokenEmbedder | None) -> str:
    """Returns the question with misspelt words replaced by stems of the collection, for search only.

    Without an embedder that has a vocabulary nothing is replaced: a rare word could not be told from a slip.
    """
    if embedder is None or _is_foreign(question):
        return question
    found = {
        m.group()
        for m in _WORD.finditer(question)
        if fold(m.group()) not in STOPWORDS and m.group().isascii()
    }
    stems = {word: stem(words(word)[0]) for word in found}
    known = library.standing(sorted(set(stems.values())))
    for word, root in sorted(stems.items()):
        if root in known or len(root) < _SHORTEST or embedder.knows(word):
            continue
        if (near := _nearest(fold(word), library)) is not None:
            question = re.sub(rf"\b{word}\b", near, question)
    return question


def _is_foreign(question: str) -> bool:
    """Returns whether more of its words are frequent in other languages than are function words of English."""
    said = words(question)
    foreign = sum(word in _FOREIGN for word in said)
    return foreign > sum(word in STOPWORDS and word not in _FOREIGN for word in said)


def _nearest(word: str, library: Library) -> str | None:
    slips = 1 if len(word) <= _LONG else 2
    # The index holds stems: compare stems, so that "netwroks" meets "network".
    vocabulary = library.vocabulary(word[0], len(word) - slips - 4, len(word) + slips)
    root = stem(word)
    matches = process.extract(
        root, vocabulary.keys(), scorer=OSA.distance, score_cutoff=slips, limit=20, processor=None
    )
    if not matches:
        return None
    # Nearest first, then the more frequent, then by spelling.
    best, _, _ = min(matches, key=lambda match: (match[1], -vocabulary[match[0]], match[0]))
    return str(best)
