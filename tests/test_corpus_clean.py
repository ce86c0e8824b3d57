"""The search form of texts."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from citewell.corpus import search_form
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # LaTeX accents and letters
        (r"Fr\'echet", "Fr\u00e9chet"),
        (r"H\"older, G{\"o}del and {\'E}cole", "H\u00f6lder, G\u00f6del and \u00c9cole"),
        (r"Cram\'er-Rao, Rivi\`ere, na\"{\i}ve", "Cram\u00e9r-Rao, Rivi\u00e8re, na\u00efve"),
        (r"\v{C}ech, Er\c{s}en, Gar\c con, Erd\H{o}s", "\u010cech, Er\u015fen, Gar\u00e7on, Erd\u0151s"),
        (r"Polyak-{\L}ojasiewicz, Stra\ss e", "Polyak-\u0141ojasiewicz, Stra\u00dfe"),
        # LaTeX commands, with their backslashes and without
        (r"$\varepsilon$-greedy", "epsilon -greedy"),
        (r"up to \sim30\% of O(n \log n)", "up to ~30% of O(n log n)"),
        (r"Evo\textbf{Lved} \emph{signs} of {\em momentum}", "EvoLved signs of momentum"),
        ("mathcal N(0, 1{nmathcal I})", "N(0, 1 n I )"),
        ("widetilde O(d/(nvarepsilon_DP))", "O(d/(n epsilon DP))"),
        ("sensitivity mathfrak S and {bf A}_n", "sensitivity S and A n"),
        ("mathematics is widely overlined", "mathematics is widely overlined"),
        ("ell_infty guarantee, n to infty", "l infinity guarantee, n to infinity"),
        ("ell_2-norm, ell_p, $\\ell_1$-loss and \u2113_2", "l2-norm, lp, l1 -loss and l2"),
        ("well, bell, cell", "well, bell, cell"),
        ("1leq p<2 and 3 \u2264 4", "1 <= p<2 and 3 <= 4"),
        ("FD_{DINOv2} and FID_{50}, R^2, L_2, CO_2", "FD DINOv2 and FID50, R2, L2, CO2"),
        ("10^{-4} and 10^6", "10^ -4 and 10^6"),
        # times and about
        ("25times speedup, 3.5times and 4 times", "25x speedup, 3.5x and 4x"),
        ("a times1000 speed-up, \u00d725", "a 1000x speed-up, 25x"),
        ("512times512, 64times 64, 256 \u00d7 256, 8 x 8", "512x512, 64x64, 256x256, 8x8"),
        ("10.2times10^6 fewer", "10.2x10^6 fewer"),
        ("R^{mtimes n}", "R^ m x n"),
        ("100 timesteps, sometimes at times", "100 timesteps, sometimes at times"),
        ("sim1000 points, sim 1, +0.2sim7%", "~1000 points, ~1, +0.2~7%"),
        ("a simple sim", "a simple sim"),
        # Unicode
        ("\ufb01ne \uff21\uff22\uff23 R\u00b2", "fine ABC R2"),
        (
            "zero\u200bwidth, \u202eright to left\u202c, soft\u00adhyphen",
            "zerowidth, right to left, softhyphen",
        ),
        ("bell \x07 nul \x00 lone \ud800 end", "bell nul lone end"),
        (" white \t\n\u00a0\u3000 space ", "white space"),
        ("\u201cquoted\u201d \u2018it\u2019s\u2019 a\u2013b\u2212c", "\"quoted\" 'it's' a-b-c"),
        ("\u03a8-Sampler, TNF-\u03b1, TNF\u03b1, \u03bb", "Psi-Sampler, TNF-alpha, TNF alpha, lambda"),
        ("IL-1\u03b2 and IL-1beta", "IL-1 beta and IL-1 beta"),
        ("\u03bb\u03cc\u03b3\u03bf\u03c2", "\u03bb\u03cc\u03b3\u03bf\u03c2"),
        ("\u6df1\u5ea6\u5b66\u4e60 model\u306e", "\u6df1 \u5ea6 \u5b66 \u4e60 model \u306e"),
        ("", ""),
    ],
)
def test_search_form(text: str, expected: str) -> None:
    assert search_form(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"$\ell_\infty$ norm", "ell_infty norm"),
        (r"$25\times$ faster", "25times faster"),
        ("\u03a8-Sampler", "Psi-Sampler"),
        (r"M\"uller", "M\u00fcller"),
        (r"\textit{deep} nets", "deep nets"),
        ("ImageNet 256times256", "ImageNet 256x256"),
        (r"$\epsilon$", r"\varepsilon"),
        ("Mu\u0308ller", "M\u00fcller"),
    ],
)
def test_tex_its_remains_and_unicode_come_to_the_same(one: str, other: str) -> None:
    assert search_form(one) == search_form(other)


def test_single_ideographs_can_be_found_in_sqlite() -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE VIRTUAL TABLE papers USING fts5(title)")
        db.execute("INSERT INTO papers VALUES (?)", (search_form("\u6df1\u5ea6\u5b66\u4e60\u6a21\u578b"),))
        query = " ".join(f'"{word}"' for word in search_form("\u5b66\u4e60").split())
        assert db.execute("SELECT count(*) FROM papers WHERE papers MATCH ?", (query,)).fetchone() == (1,)
    db.close()


TEX = st.lists(
    st.text(max_size=8)
    | st.sampled_from(
        r"\ { } $ _ ^ ~ \' \" \v{ \c{ \L \textit{ ell_ times 25 sim x varepsilon frac{ α 中 infty".split()
    ),
    max_size=25,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(TEX)
def test_any_text_has_a_storable_search_form(text: str) -> None:
    form = search_form(text)
    assert form.encode() is not None
    assert form == " ".join(form.split())
    assert not set(form) & set("\0\u200b\u202e\ufeff\\")


@settings(max_examples=60)
@given(st.lists(st.from_regex(r"[A-Za-z]{2,6}[,.;]?", fullmatch=True), max_size=20).map(" ".join))
def test_plain_words_stay_as_they_are(text: str) -> None:
    special = (
        "ell",
        "infty",
        "sim",
        "leq",
        "geq",
        "cdot",
        "math",
        "eps",
        "var",
        "times",
        "wide",
        "style",
        "alpha",
    )
    greek = ("beta", "gamma", "kappa")
    if not any(word in text for word in special + greek):
        assert search_form(text) == text


def test_the_search_form_of_a_search_form_is_itself_on_the_pages(shared: Path) -> None:
    for page in sorted((shared / "corpus").iterdir()):
        for line in page.read_text(encoding="utf-8").splitlines():
            form = search_form(line)
            assert search_form(form) == form


@pytest.mark.parametrize(
    "unit", ["{", "\\", "$", "\\emph ", "{ ", "_{1", "times ", "^{1", "\u03b1", "\\'{", "a~", "1 x "]
)
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    search_form(text)
    assert time.process_time() - start < 2
