"""The evidence of a turn: the papers that its answer cites, with the quoted words marked, and those it read besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from citewell import Paper
from citewell.terminal import counted
from citewell.types import Citation, SearchResult, Span

from citewell_ui.render import formulas
from citewell_ui.render.escape import attributes, link, paper_address, text, web_address
from citewell_ui.render.highlight import highlighted
from citewell_ui.turns import Turn

_MOST_AUTHORS = 6


def evidence(turn: Turn, papers: Mapping[str, Paper]) -> str:
    """Returns the evidence of one turn, as a section with the id `evidence-KEY`.

    A paper has one card, however many of its sentences are quoted: `card-KEY-N`, with N the first number that it is
    cited by. The card and the marks in it name their quotes, `KEY-NUMBER`, in `data-sources`.

    Args:
        turn: the question and its answer so far.
        papers: the papers of the collection by id; a cited one that is missing is shown by its quotes alone.
    """
    given = attributes(
        class_="citewell evidence", id=f"evidence-{turn.key}", data_turn=turn.key, aria_label="Evidence"
    )
    cards = [_card(turn, cited, papers.get(cited[0].paper_id)) for cited in _by_paper(turn.citations)]
    others = list(_others(turn))
    body = "".join(cards) + _not_cited(turn, others, papers)
    return f"<section{given}>{_head(turn, len(cards))}{body or _nothing(turn)}</section>"


def _by_paper(citations: Sequence[Citation]) -> list[list[Citation]]:
    """Returns the citations of each paper, the papers by the first number of each."""
    first: dict[str, int] = {}
    for citation in citations:
        first[citation.paper_id] = min(citation.number, first.get(citation.paper_id, citation.number))
    ordered = sorted(citations, key=lambda citation: (first[citation.paper_id], citation.number))
    return [list(group) for _, group in groupby(ordered, key=lambda citation: citation.paper_id)]


def _head(turn: Turn, cited: int) -> str:
    said = f"{counted(cited, 'paper')} cited" if cited else ""
    heading = "Nearest papers" if turn.answer and turn.answer.abstained and not cited else "Evidence"
    return (
        f'<header class="evidence-head"><h2>{heading}<span class="about"></span></h2>'
        f'<p class="count">{said}</p></header>'
        f'<button type="button" class="back" data-back="turn-{text(turn.key)}">↑ Back to the answer</button>'
    )


def _nothing(turn: Turn) -> str:
    said = "The papers that are read appear here." if turn.live else "No paper was read for this question."
    return f'<p class="nothing">{said}</p>'


# --- a card ------------------------------------------------------------------------------------------------


def _card(turn: Turn, cited: Sequence[Citation], paper: Paper | None) -> str:
    names = {f"{turn.key}-{citation.number}": citation for citation in cited}
    given = attributes(
        class_="card",
        id=f"card-{turn.key}-{cited[0].number}",
        data_sources=" ".join(names),
        tabindex=-1,
        aria_labelledby=f"title-{turn.key}-{cited[0].number}",
    )
    numbers = "".join(
        f'<span class="number" data-number="{name}">{c.number}</span>' for name, c in names.items()
    )
    title = formulas.formatted(paper.title if paper else cited[0].title)
    head = (
        f'<div class="card-head"><span class="numbers" aria-hidden="true">{numbers}</span>'
        f'<h3 class="title" id="title-{text(turn.key)}-{cited[0].number}" dir="auto">{title}</h3></div>'
    )
    return f"<article{given}>{head}{_abstract(names, paper)}{_foot(turn, cited, paper)}</article>"


def _abstract(names: Mapping[str, Citation], paper: Paper | None) -> str:
    if paper is None:
        quotes = "".join(
            f'<blockquote dir="auto">{highlighted(c.quote, {name: Span(0, len(c.quote))})}</blockquote>'
            for name, c in names.items()
        )
        gone = '<p class="gone">This paper is no longer in the collection. Its quotes:</p>'
        return f'{gone}<div class="abstract">{quotes}</div>'
    body = highlighted(paper.abstract, {name: Span(c.start, c.end) for name, c in names.items()})
    return f'{_byline(paper)}<div class="abstract" dir="auto">{body}</div>'


def _byline(paper: Paper) -> str:
    authors = list(paper.authors[:_MOST_AUTHORS])
    if len(paper.authors) > _MOST_AUTHORS:
        authors.append(f"and {len(paper.authors) - _MOST_AUTHORS} more")
    parts = [", ".join(authors), str(paper.year or ""), ", ".join(paper.categories)]
    said = " · ".join(text(part) for part in parts if part)
    return f'<p class="byline">{said}</p>' if said else ""


def _foot(turn: Turn, cited: Sequence[Citation], paper: Paper | None) -> str:
    used = _used_in(turn, {citation.number for citation in cited})
    where = _where(paper) if paper else _linked(web_address(cited[0].url))
    return f'<footer class="card-foot">{where}{used}</footer>' if where or used else ""


def _used_in(turn: Turn, numbers: set[int]) -> str:
    using = [index for index, sentence in enumerate(turn.sentences, 1) if numbers & set(sentence.citations)]
    links = "".join(
        f'<button type="button" class="used" data-sentence="{text(turn.key)}-{index}" '
        f'aria-label="Go to sentence {index} of the answer">{index}</button>'
        for index in using
    )
    said = "sentence" if len(using) == 1 else "sentences"
    return f'<span class="used-in">Used in {said} {links}</span>' if links else ""


def _where(paper: Paper) -> str:
    """Returns where a paper was listed, and the link to it."""
    listed = " · ".join(
        text(" · ".join(part for part in (_short(listing.source), listing.date) if part))
        for listing in paper.listings
        if listing.source or listing.date
    )
    return (f'<span class="listings">{listed}</span>' if listed else "") + _linked(paper_address(paper))


def _short(source: str) -> str:
    """Returns the name of a listing without its folder."""
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _linked(address: str | None) -> str:
    return link(address) if address else ""


# --- papers that are not cited -----------------------------------------------------------------------------


def _others(turn: Turn) -> Iterator[SearchResult]:
    """Yields the papers that were read or are named as nearest, and are not cited, best first."""
    answer = turn.answer
    nearest = answer.abstention.nearest if answer and answer.abstention else ()
    seen = {citation.paper_id for citation in turn.citations}
    for result in (*nearest, *turn.reading):
        if result.paper_id not in seen:
            seen.add(result.paper_id)
            yield result


def _not_cited(turn: Turn, others: Sequence[SearchResult], papers: Mapping[str, Paper]) -> str:
    if not others:
        return ""
    items = "".join(_other(turn, place, result, papers) for place, result in enumerate(others, 1))
    if not turn.citations:
        return f'<p class="caption">{_caption(turn, len(others))}</p><div class="others">{items}</div>'
    return (
        f'<details class="retrieved" id="retrieved-{text(turn.key)}"><summary>Also retrieved, not cited '
        f'({len(others)})</summary><div class="others">{items}</div></details>'
    )


def _caption(turn: Turn, papers: int) -> str:
    if turn.live:
        return f"Reading {counted(papers, 'abstract')}"
    refused = turn.answer is not None and turn.answer.abstained
    return "None of them is an answer to the question" if refused else "Retrieved, not cited"


def _other(turn: Turn, place: int, result: SearchResult, papers: Mapping[str, Paper]) -> str:
    paper = papers.get(result.paper_id)
    title = formulas.formatted(paper.title if paper else result.title)
    if paper is None:
        return f'<p class="paper title" dir="auto">{title}</p>'
    where = _where(paper)
    foot = f'<footer class="card-foot">{where}</footer>' if where else ""
    return (
        f'<details class="paper" id="paper-{text(turn.key)}-p{place}">'
        f'<summary class="title" dir="auto">{title}</summary>'
        f'{_byline(paper)}<div class="abstract" dir="auto">{formulas.formatted(paper.abstract)}</div>{foot}</details>'
    )
