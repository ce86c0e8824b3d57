"""The figure of a map: what it shows, what it escapes, and that its labels can be read."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from citewell_ui.atlas import Atlas
from citewell_ui.map_plot import PALETTE, SVG_LIMIT, cluster_colours, figure, hover_text, labels


def atlas(count: int = 60, clusters: int = 6, names: tuple[str, ...] = (), spread: float = 1.0) -> Atlas:
    random = np.random.default_rng(3)
    return Atlas(
        tuple(f"p{number}" for number in range(count)),
        tuple(f"Title {number}" for number in range(count)),
        (random.uniform(-1, 1, size=(count, 2)) * spread).astype(np.float32),
        (np.arange(count) % clusters).astype(np.int32),
        names or tuple(f"topic {number} · words of it" for number in range(clusters)),
        count,
    )


def test_every_paper_is_a_dot_that_carries_its_id_and_title() -> None:
    dots = figure(atlas()).data[0]
    assert list(dots.customdata) == [f"p{number}" for number in range(60)]
    assert dots.hovertext[7] == "Title 7" and len(dots.x) == len(dots.y) == 60
    assert dots.selectedpoints is None


def test_papers_of_the_last_answer_are_ringed_and_chosen_ones_stand_out() -> None:
    drawn = atlas()
    dots, rings = figure(drawn, lit=["p3", "p9", "unknown"], chosen=["p5"]).data
    assert list(dots.selectedpoints) == [5]
    assert np.allclose(np.stack([rings.x, rings.y], axis=1), drawn.points[[3, 9]])


@pytest.mark.parametrize("count, kind", [(SVG_LIMIT - 1, "scatter"), (SVG_LIMIT, "scattergl")])
def test_many_dots_are_drawn_by_webgl(count: int, kind: str) -> None:
    assert figure(atlas(count)).data[0].type == kind


@pytest.mark.parametrize(
    "title, shown",
    [
        ("<b>Bold</b> & <a href='x'>go</a>", "&lt;b&gt;Bold&lt;/b&gt; &amp; &lt;a href='x'&gt;go&lt;/a&gt;"),
        ("one\n two", "one two"),
        ("word " * 12, "word word word word word word word word word<br>word word word"),
        ("", ""),
    ],
)
def test_hover_text_holds_no_tag_but_our_line_breaks(title: str, shown: str) -> None:
    assert hover_text(title) == shown


def test_a_long_title_is_cut() -> None:
    shown = hover_text("x" * 1_000)
    assert shown.count("<br>") == 3 and shown.endswith("…")


def test_names_of_clusters_are_escaped() -> None:
    made = figure(atlas(clusters=1, names=("<b>x</b> · <i>y</i>",)))
    assert made.layout.annotations[0].text == "&lt;b&gt;x&lt;/b&gt;<br>&lt;i&gt;y&lt;/i&gt;"


def test_no_label_lies_over_another_nor_outside_the_map() -> None:
    # All clusters share their middle, the worst that can be.
    placed = labels(atlas(count=240, clusters=12, spread=0.02))
    boxes = []
    for label in placed:
        width, height = max(map(len, label.lines)) * 6.2 / 760 * 2.24, len(label.lines) * 15 / 520 * 2.24
        boxes.append((label.x - width / 2, label.x + width / 2, label.y - height / 2, label.y + height / 2))
    assert len(placed) >= 6
    for left, right, bottom, top in boxes:
        assert left >= -1.121 and right <= 1.121 and bottom >= -1.121 and top <= 1.121
    for one, other in itertools.combinations(boxes, 2):
        apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
        assert apart or min(one[1], other[1]) - max(one[0], other[0]) < 1e-6


def test_the_largest_cluster_is_labelled_first_and_a_nameless_one_not_at_all() -> None:
    drawn = Atlas(
        tuple("abcdef"),
        tuple("abcdef"),
        np.zeros((6, 2), dtype=np.float32),
        np.array([0, 1, 1, 1, 2, 2], dtype=np.int32),
        ("small", "large", ""),
        6,
    )
    assert [label.lines for label in labels(drawn)] == [("large",), ("small",)]


def test_neighbouring_clusters_differ_in_colour() -> None:
    drawn = atlas(count=400, clusters=len(PALETTE))
    assert sorted(cluster_colours(drawn)) == sorted(PALETTE)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("colour", PALETTE)
def test_dots_stand_out_from_a_white_and_from_a_black_page(colour: str) -> None:
    """WCAG 2.2, 1.4.11: 3 : 1 for what is needed to understand the content."""
    own = luminance(colour)
    assert 1.05 / (own + 0.05) >= 3.0
    assert (own + 0.05) / (luminance("#101014") + 0.05) >= 3.0


def test_the_figure_is_json_without_scripts_or_outside_addresses() -> None:
    text = figure(atlas(), lit=["p1"]).to_json()
    assert json.loads(text)["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
    assert "http" not in text


def test_a_map_of_nothing_can_be_drawn() -> None:
    nothing = Atlas((), (), np.zeros((0, 2), np.float32), np.zeros(0, np.int32), (), 0)
    assert figure(nothing).layout.annotations == ()
