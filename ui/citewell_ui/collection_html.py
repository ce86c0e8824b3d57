"""The collection tab as HTML. Everything that comes from papers, files or people is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from citewell.library import date_key
from citewell.terminal import counted
from citewell.types import IngestReport, Listing, Paper, Rejection

from citewell_ui.render.escape import attributes, link, paper_address, text
from citewell_ui.render.formulas import formatted

REJECTIONS_SHOWN = 200


def heading(papers: int, listings: Sequence[tuple[str, str | None, int]]) -> str:
    """Returns what the collection holds: "532 papers · 5 files · Aug 19 – Sep 4"."""
    if not papers:
        return note("This collection is empty. Add files with papers to ask about them.")
    parts = [counted(papers, "paper")]
    sources = {source for source, _, _ in listings if source}
    if sources:
        parts.append(counted(len(sources), "file"))
    dates = sorted({(key, date) for _, date, _ in listings if date and (key := date_key(date))})
    if dates:
        parts.append(" – ".join(dict.fromkeys((dates[0][1], dates[-1][1]))))
    return note(" · ".join(parts))


def note(remark: str) -> str:
    """Returns a remark in small letters."""
    return f'<p class="cw-note">{text(remark)}</p>'


def trouble(message: str) -> str:
    """Returns what went wrong, in one line."""
    return f'<p class="cw-trouble" role="alert">{text(" ".join(message.split()))}</p>'


def paper_list(papers: Sequence[Paper]) -> str:
    """Returns the papers, each with a box to choose it and its title to open it."""
    return f'<ul class="cw-papers">{"".join(map(_list_item, papers))}</ul>'


def _list_item(paper: Paper) -> str:
    own = attributes(data_paper=paper.paper_id)
    box = f'<input type="checkbox"{own}{attributes(aria_label=f"Ask about: {paper.title}")}>'
    title = f'<button type="button" class="cw-title"{own}>{formatted(paper.title)}</button>'
    return f'<li>{box}<div>{title}<div class="cw-where">{text(_where(paper))}</div></div></li>'


def _where(paper: Paper) -> str:
    """Returns the year and the first listing of a paper, and how many more there are."""
    parts = [str(paper.year)] if paper.year else []
    parts += [_listing(listing) for listing in paper.listings[:1]]
    if len(paper.listings) > 1:
        parts.append(f"{len(paper.listings) - 1} more")
    return " · ".join(part for part in parts if part)


def _listing(listing: Listing) -> str:
    return " · ".join(part for part in (listing.date, PurePath(listing.source).name) if part)


def paper_card(paper: Paper) -> str:
    """Returns a paper in full."""
    listed = "; ".join(filter(None, map(_listing, paper.listings)))
    facts = [", ".join(paper.authors), str(paper.year or ""), ", ".join(paper.categories), listed]
    lines = [text(fact) for fact in facts if fact]
    address = paper_address(paper)
    if address:
        lines.append(link(address))
    return (
        f'<article class="cw-paper"><h3 class="cw-title">{formatted(paper.title)}</h3>'
        f'<div class="cw-note">{"<br>".join(lines)}</div>'
        f'<p class="cw-title cw-abstract">{formatted(paper.abstract)}</p></article>'
    )


def scope(count: int, title: str = "") -> str:
    """Returns what questions are restricted to: the title of one paper, or how many papers."""
    what = f"“{_shortened(title)}”" if count == 1 and title else counted(count, "paper")
    return f'<span class="cw-chip" role="status">Asking {text(what)} only</span>' if count else ""


def _shortened(title: str, length: int = 60) -> str:
    return title if len(title) <= length else title[: length - 1].rstrip() + "…"


def ingest_report(report: IngestReport) -> str:
    """Returns what an ingest added, merged and rejected."""
    counts = [
        (report.added, "added"),
        (report.updated, "updated"),
        (report.unchanged, "known already"),
        (report.duplicates, "merged as repeats"),
        (len(report.rejected), "rejected"),
    ]
    told = ", ".join(f"{number:,} {what}" for number, what in counts if number)
    read = f"{counted(report.entries, 'entry', 'entries')} read in {report.seconds:.1f} s"
    return f"<p><strong>{text(f'{read}: {told}.')}</strong></p>{rejections(report.rejected)}"


def rejections(rejected: Sequence[Rejection]) -> str:
    """Returns a table of what could not become a paper, or nothing."""
    if not rejected:
        return ""
    rows = "".join(
        f"<tr><td>{text(PurePath(item.file).name)}</td><td>{item.line or ''}</td><td>{text(item.reason)}</td></tr>"
        for item in rejected[:REJECTIONS_SHOWN]
    )
    more = len(rejected) - REJECTIONS_SHOWN
    rest = note(f"and {more:,} more") if more > 0 else ""
    head = "<thead><tr><th>File</th><th>Line</th><th>Why it was rejected</th></tr></thead>"
    return f'<div class="cw-table"><table>{head}<tbody>{rows}</tbody></table></div>{rest}'
