"""A turn of the conversation: the question, its answer, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping

from citewell import Paper
from citewell.terminal import counted
from citewell.turn import QUOTES
from citewell.types import Abstention, Answer, Citation, Rejected, Sentence

from citewell_ui.render import formulas
from citewell_ui.render.actions import actions
from citewell_ui.render.escape import attributes, text
from citewell_ui.render.icons import icon
from citewell_ui.turns import Turn

_HEADINGS = {
    "nothing_relevant": "Nothing in this collection is about that",
    "not_reported": "The abstracts do not answer this",
    "reports_opposite": "The abstracts report the opposite",
}
_VERDICTS = {
    "quoted": "Verbatim from the abstract",
    "verified": "Checked against the words of the abstract",
}
_LONGEST_QUOTE = 320  # of a tooltip, in characters


def turn(turn: Turn, papers: Mapping[str, Paper]) -> str:
    """Returns one question and what is known of its answer, as an article with the id `turn-KEY`.

    Args:
        turn: the question and its answer so far.
        papers: the papers of the collection by id, at least those that the turn cites.
    """
    given = attributes(
        class_=f"citewell turn {turn.phase}",
        id=f"turn-{turn.key}",
        data_turn=turn.key,
        data_phase=turn.phase,
        tabindex=-1,
        aria_busy="true" if turn.live else False,
    )
    body = _trouble(turn) if turn.phase == "failed" else _body(turn, papers)
    return f"<article{given}>{_question(turn)}{body}</article>"


def _question(turn: Turn) -> str:
    asked = f'<h2 class="question" dir="auto">{text(turn.question)}</h2>'
    if not turn.standalone or turn.standalone.split() == turn.question.split():
        return asked
    return f'{asked}<p class="understood">Understood as: <span dir="auto">{text(turn.standalone)}</span></p>'


def _body(turn: Turn, papers: Mapping[str, Paper]) -> str:
    answer = turn.answer
    sentences = "".join(_sentence(turn, number, papers) for number in range(1, len(turn.sentences) + 1))
    shown = f'<div class="answer">{sentences}</div>' if sentences else ""
    if answer is None:
        return shown + _progress(turn)
    refusal = _abstention(turn, answer.abstention) if answer.abstention else ""
    return refusal + shown + _notices(answer) + _summary(turn, answer) + actions(turn, answer)


# --- sentences ---------------------------------------------------------------------------------------------


def _sentence(turn: Turn, number: int, papers: Mapping[str, Paper]) -> str:
    sentence = turn.sentences[number - 1]
    cited = {citation.number: citation for citation in turn.citations}
    chips = "".join(chip(turn.key, cited[wanted], papers) for wanted in sentence.citations if wanted in cited)
    given = attributes(
        class_=f"sentence {sentence.verdict}",
        id=f"sentence-{turn.key}-{number}",
        data_sources=" ".join(f"{turn.key}-{wanted}" for wanted in sentence.citations),
    )
    # The last word and the chips stay on one line, so that no line begins with a chip.
    return (
        f'<p{given}>{_badge(sentence)}<span class="words" dir="auto">{formulas.formatted(sentence.text)}</span>'
        f'<span class="chips">\u2060{chips}</span></p>'
    )


def _badge(sentence: Sentence) -> str:
    meaning = _VERDICTS[sentence.verdict]
    return f'<span class="badge" title="{meaning}">{icon("tick")}<span class="sr">{meaning}: </span></span>'


def chip(key: str, citation: Citation, papers: Mapping[str, Paper]) -> str:
    """Returns the button that opens the quote of a citation; `data-card` names the quote, `KEY-NUMBER`."""
    paper = papers.get(citation.paper_id)
    title = paper.title if paper else citation.title
    quote = citation.quote
    given = attributes(
        type="button",
        class_="chip",
        data_card=f"{key}-{citation.number}",
        data_title=title,
        data_quote=quote if len(quote) <= _LONGEST_QUOTE else quote[:_LONGEST_QUOTE].rstrip() + "…",
        aria_label=f"Source {citation.number}: {title}",
    )
    return f"<button{given}>{citation.number}</button>"


# --- states ------------------------------------------------------------------------------------------------


def _progress(turn: Turn) -> str:
    """Returns the line below what is shown so far; it stands where the summary will be, so that nothing moves."""
    match turn.phase:
        case "searching":
            said = (
                f"Searching {counted(turn.searched, 'abstract')}…"
                if turn.searched
                else "Opening the collection…"
            )
        case "reading":
            said = f"Reading {counted(len(turn.reading), 'abstract')}…"
        case "answering":
            said = f"{counted(len(turn.sentences), 'sentence')} verified, more to come…"
        case _:
            said = "Stopping…"
    withheld = f" · {len(turn.rejected)} withheld" if turn.rejected else ""
    return (
        f'<p class="progress" role="status"><span class="dot" aria-hidden="true"></span>{said}{withheld}</p>'
    )


def _trouble(turn: Turn) -> str:
    retry = attributes(type="button", class_="plain", data_action="retry", data_turn=turn.key)
    return (
        '<div class="notice trouble" role="alert"><p class="lead">This question could not be answered</p>'
        f"<p>{text(turn.trouble)}</p><p><button{retry}>{icon('retry')} Try again</button></p></div>"
    )


def _notices(answer: Answer) -> str:
    said, notice = "", answer.notice or ""
    if answer.error is not None:
        lead = "This answer is incomplete" if answer.sentences else "No answer was completed"
        why = answer.error
        if why in notice:  # which says more; nothing is said twice
            why, notice = notice.removeprefix(f"{lead.replace('This', 'The')}. "), ""
        said += f'<div class="notice incomplete"><p class="lead">{lead}</p><p>{text(why)}</p></div>'
    if notice:
        said += f'<p class="remark">{text(notice)}</p>'
    return said


def _abstention(turn: Turn, abstention: Abstention) -> str:
    nearest = "".join(
        f'<li><button type="button" class="near" data-paper="{text(turn.key)}-p{place}">'
        f"{formulas.formatted(result.title)}</button></li>"
        for place, result in enumerate(abstention.nearest, 1)
    )
    listed = (
        f'<p class="caption">Nearest papers, not an answer</p><ol class="nearest">{nearest}</ol>'
        if nearest
        else ""
    )
    return (
        f'<div class="notice abstained"><p class="lead">{_HEADINGS[abstention.kind]}</p>'
        f"<p>{text(abstention.message)}</p>{listed}</div>"
    )


# --- below the answer --------------------------------------------------------------------------------------


def _summary(turn: Turn, answer: Answer) -> str:
    shown = counted(len(turn.sentences), "sentence")
    kept = f'<span class="kept-count">{icon("tick")}{shown} verified</span>' if turn.sentences else ""
    withheld = _withheld(turn)
    first = f'<div class="checked">{kept}{withheld}</div>' if kept or withheld else ""
    return f'<div class="summary">{first}<p class="coverage">{_coverage(answer)}</p></div>'


def _withheld(turn: Turn) -> str:
    if not turn.rejected:
        return ""
    drafts = "".join(_draft(rejected) for rejected in turn.rejected)
    said = counted(len(turn.rejected), "sentence")
    return (
        f'<details class="withheld" id="withheld-{text(turn.key)}"><summary>{said} withheld</summary>'
        f"<ul>{drafts}</ul></details>"
    )


def _draft(rejected: Rejected) -> str:
    return (
        f'<li><del dir="auto">{text(rejected.text)}</del>'
        f'<span class="reason"><span class="check">{text(rejected.check)}</span> {text(rejected.reason)}</span></li>'
    )


def _coverage(answer: Answer) -> str:
    """Returns how the answer came about: what was searched, how long it took, what it cost."""
    counts = answer.coverage
    steps = [
        f"{counts.papers:,} searched",
        f"{counts.matched:,} matched",
        f"{counts.read:,} read",
        f"{counts.cited:,} cited",
    ]
    arrow = ' <span class="arrow" aria-label="then">→</span> '
    return " · ".join(
        [arrow.join(steps), *(f'<span class="bill">{text(part)}</span>' for part in _bill(answer))]
    )


def _bill(answer: Answer) -> list[str]:
    parts = []
    if "total" in answer.timings:
        seconds = answer.timings["total"]
        parts.append(f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms")
    tokens = int(answer.usage.get("prompt_tokens", 0) + answer.usage.get("completion_tokens", 0))
    if tokens:
        parts.append(f"{'about ' if answer.usage.get('estimated') else ''}{tokens:,} tokens")
    if "cost_usd" in answer.usage:
        cost = answer.usage["cost_usd"]
        parts.append(f"${cost:.4f}" if cost < 0.1 else f"${cost:.2f}")
    if answer.usage.get("cached"):
        parts.append("from the cache")
    return [*parts, "verbatim quotes" if answer.engine.llm == QUOTES else answer.engine.llm]
