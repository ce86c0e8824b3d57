"""LaTeX formulas in titles and abstracts as MathML, which browsers draw themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import Element

from citewell.types import Span

from citewell_ui.render.escape import text

_LONGEST = 400  # characters; longer ones are shown as they are written, and no search goes further
# As Pandoc reads it: no blank inside the dollars, no digit behind them, so that prices are no formulas.
_FORMULA = re.compile(
    rf"(?<![\\$])\$\$(?P<display>[^$]{{1,{_LONGEST}}})\$\$"
    rf"|(?<![\\$])\$(?=[^\s$])(?P<inline>(?:\\.|[^$\\]){{1,{_LONGEST}}}(?<!\s))\$(?![\d$])"
    rf"|\\\((?P<round>.{{1,{_LONGEST}}}?)\\\)|\\\[(?P<square>.{{1,{_LONGEST}}}?)\\\]",
    re.DOTALL,
)
_TAGS = frozenset(
    "mrow mi mn mo mtext mspace msub msup msubsup mfrac msqrt mroot munder mover munderover mtable mtr mtd mstyle"
    " mpadded mphantom".split()
)
_ATTRIBUTES = frozenset(
    "accent accentunder displaystyle fence form largeop linethickness lspace mathvariant maxsize minsize"
    " movablelimits rspace scriptlevel separator stretchy symmetric width height depth".split()
)
_VALUE = re.compile(r"[\w.%+-]{1,24}")


def spans(written: str) -> list[Span]:
    """Returns where a text has formulas that can be drawn, delimiters included."""
    return [Span(*found.span()) for found in _FORMULA.finditer(written) if _drawn(_latex(found))]


def formatted(written: str) -> str:
    """Returns a text as HTML with its formulas drawn; what does not parse stays as it is written."""
    return "".join(_pieces(written))


def drawn(written: str) -> str:
    """Returns one of the formulas that `spans` found, as MathML that carries its source as an annotation."""
    found = _FORMULA.fullmatch(written)
    mathml = _drawn(_latex(found)) if found else ""
    if not mathml:
        return text(written)
    source = f'<annotation encoding="application/x-tex">{text(written)}</annotation>'
    return f"<math><semantics>{mathml}{source}</semantics></math>"


def _pieces(written: str) -> Iterator[str]:
    end = 0
    for span in spans(written):
        yield text(written[end : span.start])
        yield drawn(written[span.start : span.end])
        end = span.end
    yield text(written[end:])


def _latex(found: re.Match[str]) -> str:
    return next(part for part in found.groups() if part is not None)


@lru_cache(maxsize=2_000)
def _drawn(latex: str) -> str:
    r"""Returns a formula as MathML, "" where it cannot be drawn.

    What the converter returns is not trusted: it copies text and attributes (`\href`, `\style`) as they are, so
    that elements are written anew from those that only lay out.
    """
    from latex2mathml.converter import convert_to_element

    if not latex.strip() or len(latex) > _LONGEST:
        return ""
    try:
        root = convert_to_element(latex)
        return "<mrow>" + "".join(_written(child) for child in root) + "</mrow>"
    except Exception:  # the converter has no base class of errors, and raises IndexError and others besides
        return ""


def _written(element: Element) -> str:
    """Returns an element as text.

    Raises:
        ValueError: it is not one that only lays out, or holds a command that the converter does not know.
    """
    content = unescape(element.text or "")
    if element.tag not in _TAGS or "\\" in content or (element.tail or "").strip():
        raise ValueError(element.tag)
    given = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    )
    children = "".join(_written(child) for child in element)
    return f"<{element.tag}{given}>{text(content)}{children}</{element.tag}>"
