"""The map of a collection as a Plotly figure, and what connects it to Gradio.

`gr.Plot` draws a figure with the plotly.js that Gradio brings along, but has no event for a click on a dot or
for a lasso. `BRIDGE` is the JavaScript of a `gr.HTML` beside it that listens to Plotly and triggers them.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell_ui.atlas import Atlas

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAP_ID = "citewell-map"
SVG_LIMIT = 3_000  # more dots are drawn by WebGL, which the browser can keep up with
PALETTE = ("#4878a8", "#c9672c", "#3f9183", "#b2578a", "#8577c2", "#8a8428", "#a0684c", "#5d8f3f")
_SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_SERIF = "Charter, 'Iowan Old Style', Georgia, 'Times New Roman', serif"
_RANGE = (-1.12, 1.12)
_WIDTH, _HEIGHT = 760.0, 520.0  # pixels of the map on a desktop, for which labels are kept apart
_LINE, _CHARACTER = 15.0, 6.2  # pixels of a line and of a character of a label
# "click" carries the paper of a dot, "select" the papers within a lasso, "clear" nothing.
BRIDGE = f"""
const map = document.getElementById('{MAP_ID}');
let known = null;
const papers = event => ((event && event.points) || [])
  .filter(point => point.curveNumber === 0).map(point => point.customdata);
// A lasso under the finger would keep the page from being scrolled: there, it is chosen from the bar.
const fit = () => {{
  if (window.matchMedia('(pointer: coarse)').matches && known.layout.height === {int(_HEIGHT)})
    window.Plotly.relayout(known, {{height: {int(_HEIGHT * 0.8)}, dragmode: false}});
}};
const attach = () => {{
  const plot = map.querySelector('.js-plotly-plot');
  if (!plot || plot === known || !plot.on) return;
  known = plot;
  plot.on('plotly_click', event => {{ const [paper] = papers(event); if (paper) trigger('click', {{paper}}); }});
  plot.on('plotly_selected', event => {{
    const chosen = papers(event); if (chosen.length) trigger('select', {{papers: chosen}});
  }});
  plot.on('plotly_deselect', () => trigger('clear', {{}}));
  plot.on('plotly_afterplot', fit);
  fit();
}};
const mark = () => {{
  if (!known || !known.data || !window.Plotly) return;
  const chosen = new Set(props.chosen);
  const places = known.data[0].customdata.flatMap((paper, place) => chosen.has(paper) ? [place] : []);
  window.Plotly.restyle(known, {{selectedpoints: [chosen.size ? places : null]}}, [0]);
  if (!chosen.size) window.Plotly.relayout(known, {{selections: []}});
}};
if (map) {{
  new MutationObserver(attach).observe(map, {{childList: true, subtree: true}});
  attach();
  // Drawn while another tab is shown, a figure has a width of Plotly's own.
  new ResizeObserver(() => {{ if (known && map.offsetWidth) window.Plotly.Plots.resize(known); }}).observe(map);
  watch('chosen', mark);
}}
"""


class Label(NamedTuple):
    """Where the name of a cluster stands; `x` and `y` are the middle of its box."""

    x: float
    y: float
    lines: tuple[str, ...]


def figure(atlas: Atlas, lit: Collection[str] = (), chosen: Collection[str] = ()) -> Figure:
    """Returns the map, with the papers of `lit` ringed and, if any are `chosen`, the others faint."""
    from plotly.graph_objects import Figure, Scatter, Scattergl

    colours = cluster_colours(atlas)
    kind = Scatter if len(atlas.paper_ids) < SVG_LIMIT else Scattergl
    chosen_places, lit_places = _places(atlas, set(chosen)), _places(atlas, set(lit))
    dots = kind(
        x=atlas.points[:, 0],
        y=atlas.points[:, 1],
        mode="markers",
        customdata=list(atlas.paper_ids),
        hovertext=[hover_text(title) for title in atlas.titles],
        hoverinfo="text",
        marker={
            "color": [colours[cluster] for cluster in atlas.clusters],
            "size": _dot_size(len(atlas.paper_ids)),
            "opacity": 0.85,
            "line": {"width": 0},
        },
        selectedpoints=chosen_places if chosen else None,
        selected={"marker": {"opacity": 1.0}},
        unselected={"marker": {"opacity": 0.15}},
    )
    rings = Scatter(
        x=atlas.points[lit_places, 0],
        y=atlas.points[lit_places, 1],
        mode="markers",
        hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 17, "color": "#e0a100", "line": {"width": 3}},
        unselected={"marker": {"opacity": 1.0}},
    )
    made = Figure([dots, rings])
    made.update_layout(_layout(atlas))
    return made


def _places(atlas: Atlas, paper_ids: set[str]) -> list[int]:
    return [place for place, paper_id in enumerate(atlas.paper_ids) if paper_id in paper_ids]


def hover_text(title: str, width: int = 46) -> str:
    """Returns a title for Plotly, which reads a text as HTML of its own: nothing in it is a tag any more."""
    lines = textwrap.wrap(" ".join(title.split()), width, max_lines=4, placeholder=" …")
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def cluster_colours(atlas: Atlas) -> list[str]:
    """Returns a colour for each cluster; clusters that share one lie as far apart as can be."""
    centres = _centres(atlas)
    given: list[int] = []
    for centre in centres:
        best, farthest = 0, -1.0
        for colour in range(len(PALETTE)):
            own = [np.linalg.norm(centre - centres[i]) for i, other in enumerate(given) if other == colour]
            nearest = float(min(own, default=np.inf))
            if nearest > farthest:
                best, farthest = colour, nearest
        given.append(best)
    return [PALETTE[colour] for colour in given]


def labels(atlas: Atlas) -> list[Label]:
    """Returns a label for each named cluster, the largest cluster first, no two boxes over each other.

    A label that finds no free place near its cluster is left out.
    """
    sizes = np.bincount(atlas.clusters, minlength=len(atlas.names))
    centres = _centres(atlas)
    placed: list[Label] = []
    for cluster in np.argsort(-sizes, kind="stable"):
        first, _, rest = atlas.names[cluster].partition(" · ")
        if not first:
            continue
        lines = (first, rest) if rest else (first,)
        for x, y in _places_around(centres[cluster], lines):
            label = Label(x, y, lines)
            if not any(_overlap(label, other) for other in placed):
                placed.append(label)
                break
    return placed


def _places_around(centre: NDArray[np.float64], lines: Sequence[str]) -> Iterator[tuple[float, float]]:
    """Yields places in the map for a label, its cluster's centre first, then farther and farther from it."""
    half_width, half_height = _half_box(lines)
    for step in range(5):
        for dx, dy in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            x = float(centre[0]) + dx * step * half_width * 0.5
            y = float(centre[1]) + dy * step * half_height
            low, high = _RANGE
            yield (
                float(np.clip(x, low + half_width, high - half_width)),
                float(np.clip(y, low + half_height, high - half_height)),
            )


def _half_box(lines: Sequence[str]) -> tuple[float, float]:
    """Returns half the width and height of a label in the units of the map."""
    span = _RANGE[1] - _RANGE[0]
    width = max(len(line) for line in lines) * _CHARACTER / _WIDTH * span
    return min(width / 2, span / 2), len(lines) * _LINE / _HEIGHT * span / 2


def _overlap(one: Label, other: Label) -> bool:
    (width, height), (other_width, other_height) = _half_box(one.lines), _half_box(other.lines)
    return abs(one.x - other.x) < width + other_width and abs(one.y - other.y) < height + other_height


def _centres(atlas: Atlas) -> list[NDArray[np.float64]]:
    """Returns the middle of each cluster: its median, which strays do not move."""
    return [
        np.median(atlas.points[atlas.clusters == cluster].astype(np.float64), axis=0)
        for cluster in range(len(atlas.names))
    ]


def _dot_size(count: int) -> float:
    return 9.0 if count < 1_000 else 7.0 if count < SVG_LIMIT else 4.5


def _layout(atlas: Atlas) -> dict[str, object]:
    axis = {"visible": False, "range": list(_RANGE), "fixedrange": False}
    return {
        "template": "none",
        "height": int(_HEIGHT),
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": "lasso",
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "#22272e",
            "bordercolor": "#22272e",
            "font": {"family": _SERIF, "size": 14, "color": "#f5f5f5"},
            "align": "left",
        },
        "font": {"family": _SANS, "size": 12, "color": "#4a5058"},
        "xaxis": axis,
        "yaxis": axis,
        "modebar": {
            "orientation": "h",
            "bgcolor": "rgba(0,0,0,0)",
            "remove": ["toImage", "autoScale2d", "zoomIn2d", "zoomOut2d", "zoom2d"],
        },
        "annotations": [
            {
                **_anchor(label),
                "y": label.y,
                "text": "<br>".join(html.escape(line, quote=False) for line in label.lines),
                "showarrow": False,
                "font": {"family": _SANS, "size": 12, "weight": 600},
                "captureevents": False,
            }
            for label in labels(atlas)
        ],
    }


def _anchor(label: Label) -> dict[str, object]:
    """Returns where a label is held: near a side at that side, so that a narrow map does not cut it off."""
    half = _half_box(label.lines)[0]
    if label.x < -0.5:
        return {"x": label.x - half, "xanchor": "left", "align": "left"}
    if label.x > 0.5:
        return {"x": label.x + half, "xanchor": "right", "align": "right"}
    return {"x": label.x, "xanchor": "center", "align": "center"}
