"""BM25 only: ranks papers by their words and answers with their sentences that hold most of the question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from citewell.assistant import Assistant
from citewell.chunking import sentence_spans
from citewell.retriever import query_terms
from citewell.text import stem, stems
from citewell.types import Answer, Paper, Span

from citewell_eval.systems.library import NONE, LibrarySystem, Scored

_ANSWERED_FROM = 3  # papers, one sentence each
_K1 = 1.2  # of SQLite's bm25(); a word of the question scores at most its idf times k1 + 1


class LexicalSystem(LibrarySystem):
    """BM25 (Robertson and Zaragoza 2009) as SQLite's FTS5 computes it, with the assistant's title weight.

    Its confidence is the best paper's score over the most that any paper could reach with these words: 0..1, and
    comparable between questions. Earlier turns are not read: a search box knows no conversation.

    Args:
        assistant: whose collection is searched.
        threshold: least confidence at which a question is answered.
        name: what the system is called in the table.
    """

    def __init__(self, assistant: Assistant, threshold: float, name: str = "BM25 only") -> None:
        super().__init__(assistant, name)
        self._threshold = threshold

    def search(self, question: str, k: int) -> list[str]:
        """Returns the ids of at most `k` papers that hold a word of the question, best first."""
        found = self._found(query_terms(self._checked(question)), k)
        return [scored.paper.paper_id for scored in found]

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Returns a sentence of each of the three best papers, or a refusal."""
        asked = self._asked(question, embedding=NONE)
        terms = query_terms(asked.question)
        found = self._found(terms, _ANSWERED_FROM)
        weights = self._idf(terms, asked.manifest.papers)
        most = (_K1 + 1) * sum(weights[stem(term)] for term in terms)
        confidence = found[0].score / most if found else 0.0
        if not found or confidence < self._threshold:
            return asked.refuse([Scored(paper, score / most) for paper, score in found], confidence)
        quotes = [(paper, _best_sentence(paper, weights)) for paper, _ in found]
        return asked.quote(quotes, len(found), confidence)

    def _found(self, terms: Sequence[str], limit: int) -> list[Scored]:
        weight = self._assistant.settings.title_weight
        scores = self._library.lexical(terms, weight).best(limit)
        papers = self._library.papers([row for row, _ in scores])
        return [Scored(papers[row], score) for row, score in scores if row in papers]

    def _idf(self, terms: Sequence[str], papers: int) -> dict[str, float]:
        """Returns the inverse document frequency of each term's stem, as FTS5 computes it: above 0."""
        roots = list(dict.fromkeys(stem(term) for term in terms))
        held = self._library.document_frequencies(roots)
        return {
            root: max(1e-6, math.log((papers - held.get(root, 0) + 0.5) / (held.get(root, 0) + 0.5)))
            for root in roots
        }


def _best_sentence(paper: Paper, weights: Mapping[str, float]) -> Span:
    """Returns the sentence with most of the question's idf, the first of several alike."""

    def weight(span: Span) -> float:
        held = set(stems(paper.abstract[span.start : span.end]))
        return sum(value for root, value in weights.items() if root in held)

    return max(sentence_spans(paper.abstract), key=weight)
