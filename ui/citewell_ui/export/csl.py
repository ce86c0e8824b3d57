"""Papers as CSL-JSON 1.0.2, https://docs.citationstyles.org/en/stable/specification.html."""

from __future__ import annotations

from collections.abc import Sequence

from citewell import Paper

from citewell_ui.export import names
from citewell_ui.export.references import address, arxiv_id, line
from citewell_ui.export.tex import to_unicode


def csl(papers: Sequence[Paper]) -> list[dict[str, object]]:
    """Returns an item for each paper; "article" is CSL's type of what is not known to be in a journal."""
    return [_item(paper) for paper in papers]


def _item(paper: Paper) -> dict[str, object]:
    eprint = arxiv_id(paper)
    item: dict[str, object] = {
        "id": paper.paper_id,
        "type": "article",
        "title": to_unicode(line(paper.title)),
        "author": [_name(author) for author in paper.authors if author.strip()],
        "issued": {"date-parts": [[paper.year]]} if paper.year else None,
        "archive": "arXiv" if eprint else None,
        "archive_location": eprint,
        "DOI": line(paper.doi or ""),
        "URL": address(paper.url),
    }
    return {name: value for name, value in item.items() if value}


def _name(author: str) -> dict[str, str]:
    name = names.parse(to_unicode(line(author)))
    parts = {"family": name.family, "given": name.given, "suffix": name.suffix, "literal": name.literal}
    return {part: value for part, value in parts.items() if value}
