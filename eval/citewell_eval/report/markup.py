"""Text and small drawings as HTML. Everything from outside passes through `text`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from citewell.terminal import clean
from citewell.types import Citation, Span

from citewell_eval.statistics import Estimate


def text(value: str) -> str:
    """Returns a text as HTML for content and quoted attributes, without control and reordering characters."""
    return html.escape(clean(value))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], name: str = "") -> str:
    """Returns a table of cells that are HTML; the first of a row is its heading."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f'<td data-label="{label}">{cell}</td>' for label, cell in zip(head[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<table class="{name}"><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def bar(estimate: Estimate, limit: float | None = None, bad: bool = False) -> str:
    """Returns a bar of a value between 0 and 1 with its interval as a whisker and its limit as a stroke.

    It is hidden from screen readers: the numbers stand beside it.
    """
    parts = ['<rect class="ground" x="0" y="5" width="100%" height="8"/>']
    if math.isfinite(estimate.value):
        kind = "value bad" if bad else "value"
        parts.append(f'<rect class="{kind}" x="0" y="5" width="{_percent(estimate.value)}" height="8"/>')
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        low, high = _percent(estimate.low), _percent(estimate.high)
        parts.append(f'<line class="interval" x1="{low}" x2="{high}" y1="9" y2="9"/>')
        parts += [f'<line class="interval" x1="{x}" x2="{x}" y1="5" y2="13"/>' for x in (low, high)]
    if limit is not None:
        at = _percent(limit)
        parts.append(f'<line class="limit" x1="{at}" x2="{at}" y1="0" y2="18"/>')
    return f'<svg class="bar" height="18" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


def _percent(value: float) -> str:
    return f"{100 * min(max(value, 0.0), 1.0):.2f}%"


def highlighted(abstract: str, citations: Sequence[Citation]) -> str:
    """Returns an abstract with the quotes of its citations marked; quotes that do not stand there are left out."""
    spans = [Span(c.start, c.end) for c in citations if stands(c, abstract)]
    edges = sorted({0, len(abstract), *(edge for span in spans for edge in span)})
    pieces = []
    for start, end in zip(edges, edges[1:], strict=False):
        piece = text(abstract[start:end])
        inside = any(span.start <= start and end <= span.end for span in spans)
        pieces.append(f"<mark>{piece}</mark>" if inside else piece)
    return "".join(pieces)


def stands(citation: Citation, abstract: str) -> bool:
    """Returns whether a quote is what the abstract holds at its place."""
    return 0 <= citation.start < citation.end and abstract[citation.start : citation.end] == citation.quote
