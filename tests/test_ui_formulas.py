"""Formulas of abstracts as MathML: what is one, what is drawn, and what is shown as it is written."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from citewell_ui.render import formulas
from hypothesis import given, settings
from hypothesis import strategies as st

LAYOUT = set("p math semantics annotation mrow mi mn mo mtext mspace mstyle msup".split())


def pieces(written: str) -> list[str]:
    return [written[start:end] for start, end in formulas.spans(written)]


@pytest.mark.parametrize(
    "written, found",
    [
        ("in $O(n\\log n)$ time", ["$O(n\\log n)$"]),
        ("for $d$-regular graphs and $$x^2$$ too", ["$d$", "$$x^2$$"]),
        ("the rate \\(k^{-1/4}\\) and \\[\\sum_i x_i\\]", ["\\(k^{-1/4}\\)", "\\[\\sum_i x_i\\]"]),
        ("it costs $5 to $10 a month", []),
        ("between $5-$10", []),
        ("a lone $ sign", []),
        ("an escaped \\$x\\$", []),
        ("an unknown $\\nosuchcommand{x}$", []),
        ("two exponents $x^2^3$", []),
        ("a link $\\href{javascript:alert(1)}{x}$ keeps its words", ["$\\href{javascript:alert(1)}{x}$"]),
        (f"a long ${'x+' * 300}x$", []),
    ],
)
def test_what_is_a_formula(written: str, found: list[str]) -> None:
    assert pieces(written) == found


def test_a_formula_is_drawn_and_carries_its_source() -> None:
    html = formulas.formatted("at most $x^2$.")
    assert html.startswith("at most <math><semantics><mrow>")
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert '<annotation encoding="application/x-tex">$x^2$</annotation></semantics></math>.' in html


def test_what_does_not_parse_is_shown_as_it_is_written() -> None:
    assert formulas.formatted("$x^2^3$ & <b>") == "$x^2^3$ &amp; &lt;b&gt;"


@pytest.mark.parametrize(
    "latex",
    [
        "\\text{<script>alert(1)</script>}",
        "\\text{&lt;img src=x onerror=alert(1)&gt;}",
        "\\href{javascript:alert(1)}{x}",
        "\\style{background:url(//evil.example)}{x}",
        "\\class{chip}{x}",
        "\\color{red}{x}",
        "\\mathrm{\"' onload=alert(1)}",
    ],
)
def test_nothing_that_a_formula_brings_is_more_than_layout(latex: str) -> None:
    html = formulas.formatted(f"${latex}$")
    root = ElementTree.fromstring(f"<p>{html}</p>")
    for element in root.iter():
        assert element.tag in LAYOUT
        assert not set(element.attrib) - {
            "encoding",
            "stretchy",
            "mathvariant",
            "width",
            "fence",
            "form",
            "separator",
        }


PARTS = st.sampled_from(
    "$ $$ \\( \\) \\[ \\] { } ^ _ & \\\\ \\frac \\sqrt \\left( \\right) \\text{ \\begin{matrix} \\end{matrix} \\alpha "
    "\\sum \\limits \\hat \\color{ \\href{ \\not \\overbrace x 1 < > \" ' ] [".split(" ")
)


@settings(max_examples=150)
@given(st.lists(PARTS, max_size=14).map("".join) | st.text(max_size=40).map(lambda inner: f"${inner}$"))
def test_any_formula_gives_well_formed_markup_around_the_same_source(written: str) -> None:
    found = formulas.spans(written)
    for span in found:
        drawn = formulas.drawn(written[span.start : span.end])
        root = ElementTree.fromstring(drawn)
        assert root.tag == "math" and len(root.findall(".//annotation")) == 1
    assert all(before.end <= after.start for before, after in zip(found, found[1:], strict=False))
