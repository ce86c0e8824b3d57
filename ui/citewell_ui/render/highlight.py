"""An abstract with the quoted words marked."""

from __future__ import annotations

from collections.abc import Mapping

from citewell.types import Span

from citewell_ui.render import formulas
from citewell_ui.render.escape import attributes, text


def highlighted(abstract: str, quotes: Mapping[str, Span]) -> str:
    """Returns an abstract as HTML with its formulas drawn and each quote in `<mark>` elements.

    A mark names every quote that it is part of in `data-sources`, and in `data-starts` those that begin with it. A
    formula that a quote begins or ends in stays as it is written.

    Args:
        abstract: as the paper gives it.
        quotes: the range of each quote by its name; those outside the abstract are left out.
    """
    inside = {name: span for name, span in quotes.items() if 0 <= span.start < span.end <= len(abstract)}
    cuts = {edge for span in inside.values() for edge in span}
    whole = [
        found for found in formulas.spans(abstract) if not any(found.start < cut < found.end for cut in cuts)
    ]
    edges = sorted({0, len(abstract), *cuts})
    return "".join(
        _segment(abstract, Span(start, end), inside, whole)
        for start, end in zip(edges, edges[1:], strict=False)
    )


def _segment(abstract: str, segment: Span, quotes: Mapping[str, Span], whole: list[Span]) -> str:
    html = _written(abstract, segment, whole)
    names = [name for name, span in quotes.items() if span.start <= segment.start and segment.end <= span.end]
    if not names:
        return html
    starts = [name for name in names if quotes[name].start == segment.start]
    numbers = " ".join(name.rpartition("-")[2] for name in starts)
    given = attributes(data_sources=" ".join(names), data_starts=numbers or False)
    return f"<mark{given}>{html}</mark>"


def _written(abstract: str, segment: Span, whole: list[Span]) -> str:
    """Returns a segment as HTML; formulas are found in the whole abstract, never in a part of it."""
    pieces, end = [], segment.start
    for found in whole:
        if segment.start <= found.start and found.end <= segment.end:
            pieces += [text(abstract[end : found.start]), formulas.drawn(abstract[found.start : found.end])]
            end = found.end
    return "".join([*pieces, text(abstract[end : segment.end])])
