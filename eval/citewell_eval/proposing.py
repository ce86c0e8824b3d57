"""Proposes eval cases from a collection, for somebody to review: `citewell eval new`.

What is proposed is checked against the collection's own words: a fact stands in just the papers named, the papers
of a "which" question are all that hold its term, and what an unanswerable question asks for stands in no paper that
could be meant. Whether the assistant answers a question is not looked at: a set of what passes measures nothing.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from citewell.assistant import Assistant
from citewell.corpus import search_form
from citewell.errors import NoCollectionError, UsageError
from citewell.library import Library
from citewell.text import STOPWORDS, content_stems, stem, stems, words
from citewell.types import Paper

from citewell_eval.cases import Case
from citewell_eval.phrasing import Asked, Subject, questions, subject_of
from citewell_eval.unstated import DETAILS, EVERYDAY

REVIEW = "review"  # the tag of a case that nobody has looked at
_MIX = (
    "fact", "number", "definition", "near_topic", "which", "number", "finding", "near_topic", "expansion",
    "far_off", "number", "definition", "typo", "which", "near_topic",
)  # fmt: skip
_LOOKED_AT = 2_000  # papers
_NAMED_IN = 12  # papers that may hold a coined name before it stops telling the paper
_MOST_PAPERS = 6
_RIVALS = 20  # papers nearest to a description, which must not fit it as well
_FITS = 0.75  # share of a description's words that makes another paper fit it


@dataclass(frozen=True, slots=True)
class Proposal:
    """A case with what a reviewer needs: the sentence it came from and the abstracts of its papers."""

    case: Case
    sentence: str = ""
    abstracts: tuple[str, ...] = ()


def propose(assistant: Assistant, count: int, seed: int = 0) -> list[Proposal]:
    """Returns up to `count` cases of mixed kinds, spread over the collection; fewer where it yields no more.

    The same collection, count and seed give the same cases.

    Raises:
        UsageError: `count` is not positive.
        NoCollectionError: the collection holds no paper.
    """
    if count < 1:
        raise UsageError(f"Cannot propose {count} cases: ask for one or more.")
    library = assistant.collection.library
    if library.manifest().papers == 0:
        raise NoCollectionError(
            f"The collection at {assistant.settings.data_dir} is empty. Fill it with `citewell ingest FILES`."
        )
    proposer = _Proposer(library, random.Random(seed))
    return [
        replace(found, case=found.case.model_copy(update={"id": f"proposed-{number:03}"}))
        for number, found in enumerate(proposer.proposals(count), 1)
    ]


class _Proposer:
    """Draws proposals of each kind in turn, from papers not yet asked about first."""

    def __init__(self, library: Library, rng: random.Random) -> None:
        self._library, self._rng = library, rng
        self._papers = _spread(library, rng)
        self._used: set[str] = set()
        self._asked: set[str] = set()
        self._terms: set[str] = set()
        self._found: list[Proposal] = []
        self._details: Counter[str] = Counter()
        self._made: dict[str, list[Asked]] = {}

    def proposals(self, count: int) -> list[Proposal]:
        """Returns the proposals, by turns of kind."""
        sources: dict[str, Iterator[Proposal]] = {
            "fact": self._of_sentences("fact"),
            "number": self._of_sentences("number"),
            "definition": self._of_sentences("definition"),
            "finding": self._of_sentences("finding"),
            "expansion": self._of_sentences("expansion"),
            "near_topic": self._from_papers(self._near_topic),
            "which": self._from_papers(self._which),
            "far_off": self._far_off(),
            "typo": self._typos(),
        }
        found = self._found
        turn = 0
        while sources and len(found) < count:
            kind = _MIX[turn % len(_MIX)]
            turn += 1
            if kind not in sources:
                continue
            proposal = next(sources[kind], None)
            if proposal is None:
                del sources[kind]
            else:
                found.append(proposal)
        return found

    def _from_papers(self, make: Callable[[Paper], Iterator[Proposal]]) -> Iterator[Proposal]:
        """Yields a proposal a paper, of those not asked about by then first, and goes round until none has more."""
        again, more = False, True
        while more:
            more = not again
            for paper in self._papers:
                if (paper.paper_id in self._used) is not again:
                    continue
                proposal = next((p for p in make(paper) if p.case.question not in self._asked), None)
                if proposal is not None:
                    more = True
                    self._used.add(paper.paper_id)
                    self._asked.add(proposal.case.question)
                    yield proposal
            again = True

    # --- answerable ------------------------------------------------------------------------------------

    def _of_sentences(self, kind: str) -> Iterator[Proposal]:
        def make(paper: Paper) -> Iterator[Proposal]:
            subject = subject_of(paper)
            if paper.paper_id not in self._made:
                self._made[paper.paper_id] = questions(subject, self._rng)
            asked = [asked for asked in self._made[paper.paper_id] if asked.kind == kind]
            self._rng.shuffle(asked)
            for one in asked:
                if self._is_clear(one, subject):
                    called = {"finding": "fact", "expansion": "definition"}.get(kind, kind)
                    yield _answered(called, one.question, [paper], one.facts, one.sentence)

        return self._from_papers(make)

    def _is_clear(self, asked: Asked, subject: Subject) -> bool:
        """Returns whether the facts stand in no other paper that the question could mean."""
        if asked.kind in ("definition", "expansion"):
            name = asked.describes or re.sub(r"^What is |\?$", "", asked.question)
            # Where others use the name too, any of them may define it.
            return len(self._holders(name, 2)) == 1
        if asked.describes:
            return self._fits_alone(asked.describes)
        if subject.name is None or subject.quoted in asked.question:
            return True
        holders = self._holders(subject.name, _NAMED_IN + 1)
        others = [paper for paper in holders if paper.paper_id != subject.paper.paper_id]
        stated = [
            all(any(f in _text(paper) for f in _folded(group)) for group in asked.facts) for paper in others
        ]
        return len(holders) <= _NAMED_IN and not any(stated)

    def _fits_alone(self, description: str) -> bool:
        """Returns whether only one paper holds most words of a description."""
        wanted = set(content_stems(search_form(description)))
        near = self._nearest(sorted(wanted), _RIVALS)
        fitting = [p for p in near if len(wanted & set(stems(search_form(_text(p))))) >= _FITS * len(wanted)]
        return len(fitting) == 1

    def _which(self, paper: Paper) -> Iterator[Proposal]:
        terms = list(_terms(paper.title))
        self._rng.shuffle(terms)
        for term in terms:
            held = self._holders(term, _MOST_PAPERS + 1)
            if term in self._terms or not 2 <= len(held) <= _MOST_PAPERS:
                continue
            forms = [_standing(term, other.abstract) for other in held]
            if any(form is None for form in forms) or sum(_ends_phrase(term, p.abstract) for p in held) < 2:
                continue
            facts = tuple(dict.fromkeys(form for form in forms if form is not None))
            self._terms.add(term)
            # As it is mostly written, capitals only in names.
            spoken = _plural(max(facts, key=lambda form: (sum(map(str.islower, form)), form)))
            asks = self._rng.choice(
                (
                    "Which papers mention {}?",
                    "Which papers say something about {}?",
                    "Which papers deal with {}?",
                )
            )
            held.sort(key=lambda other: other.title)
            sentence = f"“{term}” stands in {len(held)} papers"
            yield _answered("which", asks.format(" ".join(spoken.split())), held, (facts,), sentence)

    def _typos(self) -> Iterator[Proposal]:
        """Yields what was proposed before with two letters of a word exchanged."""
        for proposal in self._found:  # grows meanwhile
            if proposal.case.kind not in ("fact", "number", "definition"):
                continue
            if (misspelt := self._misspelt(proposal.case.question)) is not None:
                case = proposal.case.model_copy(update={"question": misspelt, "kind": "typo"})
                yield replace(proposal, case=case)

    def _misspelt(self, question: str) -> str | None:
        places = [
            match
            for match in re.finditer(r"(?<![\w-])[a-z]{7,}(?![\w-])", question)
            if match[0] not in STOPWORDS
        ]
        self._rng.shuffle(places)
        for match in places:
            swaps = [n for n in range(1, len(match[0]) - 2) if match[0][n] != match[0][n + 1]]
            place = self._rng.choice(swaps)
            slip = match[0][:place] + match[0][place + 1] + match[0][place] + match[0][place + 2 :]
            if not self._library.document_frequencies([stem(slip)]):
                return question[: match.start()] + slip + question[match.end() :]
        return None

    # --- unanswerable ----------------------------------------------------------------------------------

    def _near_topic(self, paper: Paper) -> Iterator[Proposal]:
        subject = subject_of(paper)
        if not _is_english(paper.abstract):
            return
        known = self._holders(subject.name, _NAMED_IN + 1) if subject.name else [paper]
        if len(known) > _NAMED_IN:
            return
        held = set(stems(search_form(" ".join(_text(other) for other in [paper, *known]))))
        shuffled = self._rng.sample(DETAILS, len(DETAILS))
        for detail in sorted(shuffled, key=lambda detail: self._details[detail.why]):
            fits = not detail.fits or held & _stemmed(detail.fits)
            if fits and not held & _stemmed(detail.words):
                self._details[detail.why] += 1
                asks = detail.named if subject.name else detail.titled
                yield _unanswered("near_topic", asks.format(subject.shown), [paper], detail.why)

    def _far_off(self) -> Iterator[Proposal]:
        for question, keys, why in self._rng.sample(EVERYDAY, len(EVERYDAY)):
            wanted = _stemmed(keys)
            if not any(
                wanted <= set(stems(_text(paper))) for paper in self._nearest(sorted(wanted), _RIVALS)
            ):
                yield _unanswered("far_off", question, [], why)

    # --- the word index --------------------------------------------------------------------------------

    def _holders(self, phrase: str, limit: int) -> list[Paper]:
        """Returns up to `limit` papers that hold the words of a phrase in their order."""
        rows = [row for row, _ in self._library.lexical([search_form(phrase)], 1.0).best(limit)]
        found = self._library.papers(rows)
        return [found[row] for row in rows]

    def _nearest(self, terms: Sequence[str], limit: int) -> list[Paper]:
        return list(
            self._library.papers([r for r, _ in self._library.lexical(terms, 1.0).best(limit)]).values()
        )


def _answered(
    kind: str, question: str, papers: Sequence[Paper], facts: tuple[tuple[str, ...], ...], sentence: str
) -> Proposal:
    case = Case(
        id="proposed",
        question=question,
        kind=kind,
        answerable=True,
        papers=tuple(paper.title for paper in papers),
        facts=facts,
        tags=(REVIEW,),
        source="proposed",
    )
    return Proposal(case, sentence, tuple(paper.abstract for paper in papers))


def _unanswered(kind: str, question: str, papers: Sequence[Paper], why: str) -> Proposal:
    bare = _answered(kind, question, papers, (), "")
    return replace(bare, case=bare.case.model_copy(update={"answerable": False, "why": why}))


def _spread(library: Library, rng: random.Random) -> list[Paper]:
    """Returns papers in the order to ask about them: by turns of listing, else of year, at random within each."""
    rows = library.sample(library.manifest().revision, _LOOKED_AT)
    papers = list(library.papers(rows).values())
    papers.sort(key=lambda paper: paper.paper_id)
    rng.shuffle(papers)
    groups: dict[str, list[Paper]] = {}
    for paper in papers:
        groups.setdefault(paper.listings[0].source if paper.listings else str(paper.year), []).append(paper)
    if len(groups) == 1:
        groups = {}
        for paper in papers:
            groups.setdefault(str(paper.year), []).append(paper)
    turns = [(place, name) for name in sorted(groups) for place in range(len(groups[name]))]
    return [groups[name][place] for place, name in sorted(turns)]


def _text(paper: Paper) -> str:
    return f"{paper.title}\n{paper.abstract}".casefold()


def _folded(group: Sequence[str]) -> list[str]:
    return [fact.casefold() for fact in group]


def _stemmed(text: str) -> set[str]:
    return {stem(word) for word in words(text)}


def _is_english(text: str) -> bool:
    """Returns whether enough of the words are English function words to look for English details."""
    found = words(text)
    return sum(word in _FUNCTION_WORDS for word in found) >= 0.15 * len(found) > 0


# --- terms ---------------------------------------------------------------------------------------------

_TERM = re.compile(r"(?<![\w-])(?=([A-Za-z]{4,}(?:-[a-z]{3,})? [A-Za-z]{4,}(?: [A-Za-z]{4,})?)(?![\w-]))")
_NO_HEAD = re.compile(r"(?:ed|ly|ous|ic|able|al|ive|based|free|aware|less)$")
_NO_OPENER = re.compile(r"(?:ing|ly|ed)$")
_NO_PLURAL = re.compile(
    r"(?:s|x|y|ing|[ts]ion|[ea]nce|ment|ness|ism|data|search|descent|noise|inference|retrieval|software|code|time|space"
    r"|dropout|feedback|control|theory|speech|health|care|growth|light|energy|mass|heat|flow|transport|[^\W\d]+[A-Z])$"
)
_EMPTY = frozenset(
    "approach approaches method methods model models framework frameworks efficient effective improved novel "
    "general simple fast robust large small deep towards application applications analysis problem problems "
    "better more good high low".split()
)


def _terms(title: str) -> Iterator[str]:
    """Yields runs of two or three words of a title that may be the name of a subject, in lower case."""
    for match in _TERM.finditer(title):
        parts = match[1].split()
        folded = [part.lower() for part in parts]
        plain = all(part[1:].islower() for part in re.split("[ -]", match[1]))
        if not plain or STOPWORDS & set(folded) or _EMPTY & {folded[0], folded[-1]}:
            continue
        if not _NO_OPENER.search(folded[0]) and not _NO_HEAD.search(folded[-1]):
            yield " ".join(folded)


def _plural(term: str) -> str:
    """Returns "neural operators" for "neural operator", which would want an article; "transfer learning" as it is."""
    return term if _NO_PLURAL.search(term) else f"{term}s"


def _standing(term: str, abstract: str) -> str | None:
    """Returns a term as an abstract has it, in its case and perhaps plural."""
    found = _in_any_number(term).search(abstract)
    return found[0] if found else None


def _ends_phrase(term: str, abstract: str) -> bool:
    """Returns whether the words behind a term show that it is a phrase of its own."""
    for match in _in_any_number(term).finditer(abstract):
        rest = abstract[match.end() :].lstrip()
        if not rest or not rest[0].isalpha() or re.match(r"\w+", rest)[0] in _FUNCTION_WORDS:  # type: ignore[index]
            return True
    return False


def _in_any_number(term: str) -> re.Pattern[str]:
    spaced = r"\s+".join(re.escape(part) for part in term.removesuffix("s").split())
    return re.compile(rf"(?<![\w-]){spaced}(?:s|es)?(?![\w-])", re.IGNORECASE)


_FUNCTION_WORDS = frozenset(
    "a an and are as at be been but by can for from has have in is it its of on or such than that the this these to "
    "was we were when where which while with without via our into under between".split()
)
