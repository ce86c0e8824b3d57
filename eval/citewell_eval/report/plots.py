"""The plots of a report, as Plotly's data. A colour that begins with `--` is a variable of the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citewell_eval.measures.refusal import Point
from citewell_eval.outcomes import Outcome
from citewell_eval.reliability import BINS, Bin

Figure = dict[str, object]
_AXIS: Figure = {
    "range": [0, 1.02],
    "dtick": 0.25,
    "fixedrange": True,  # dragging scrolls the page, not the plot
    "zeroline": False,
    "gridcolor": "--line",
    "linecolor": "--line",
    "automargin": True,
}


@dataclass(frozen=True, slots=True)
class Operating:
    """Where a run stood: the share of questions answered, the share of those that should not have been.

    `threshold` is the least confident question answered, None where a more confident one was refused.
    """

    coverage: float
    risk: float
    threshold: float | None


def operating(outcomes: Sequence[Outcome]) -> Operating | None:
    """Returns where the run stood beside the risk-coverage curve; None where nothing was answered."""
    asked = [(o.answer, o.case.answerable) for o in outcomes if o.answer is not None and not o.case.writes]
    answered = [(answer.confidence, answerable) for answer, answerable in asked if not answer.abstained]
    if not answered:
        return None
    least = min(confidence for confidence, _ in answered)
    refused = [answer.confidence for answer, _ in asked if answer.abstained]
    risk = sum(not answerable for _, answerable in answered) / len(answered)
    return Operating(len(answered) / len(asked), risk, None if max(refused, default=0.0) >= least else least)


def risk_coverage(points: Sequence[Point], run: Operating | None) -> Figure:
    """Returns the risk-coverage curve, with where the run stood."""
    curve: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": "the gate",
        "x": [point.coverage for point in points],
        "y": [point.risk for point in points],
        "customdata": [point.confidence for point in points],
        "hovertemplate": "confidence ≥ %{customdata:.2f}<br>answers %{x:.0%}, %{y:.1%} wrongly<extra></extra>",
        "line": {"color": "--accent", "width": 2.5},
    }
    traces = [curve]
    if run is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "this run",
                "x": [run.coverage],
                "y": [run.risk],
                "hovertemplate": "this run answers %{x:.0%}, %{y:.1%} wrongly<extra></extra>",
                "marker": {"color": "--amber", "size": 13, "symbol": "diamond"},
            }
        )
    highest = max([point.risk for point in points] + ([run.risk] if run else []), default=1.0)
    top = min(1.02, max(0.1, highest * 1.15))
    return {"data": traces, "layout": _layout("coverage: questions answered", "risk: answered wrongly", top)}


def reliability(bins: Sequence[Bin], across: str, up: str) -> Figure:
    """Returns how often what was given a probability is true, with the number of each bin above its bar."""
    width = 1 / BINS
    bars: Figure = {
        "type": "bar",
        "name": "observed",
        "x": [part.low + width / 2 for part in bins],
        "y": [part.true for part in bins],
        "width": [width * 0.9] * len(bins),
        "text": [f"{part.number:,}" for part in bins],
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": [[part.number, part.mean] for part in bins],
        "hovertemplate": "%{customdata[0]} of mean %{customdata[1]:.2f}, %{y:.0%} true<extra></extra>",
        "marker": {"color": "--bar"},
    }
    diagonal: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": "perfectly reliable",
        "x": [0, 1],
        "y": [0, 1],
        "hoverinfo": "skip",
        "line": {"color": "--amber", "width": 2, "dash": "dash"},
    }
    return {"data": [bars, diagonal], "layout": _layout(across, up, 1.12)}


def _layout(across: str, up: str, top: float) -> Figure:
    fine = 0.25 if top > 0.5 else 0.1 if top > 0.2 else 0.05
    return {
        "template": "none",
        "height": 330,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "ui-sans-serif, system-ui, sans-serif", "size": 13, "color": "--text"},
        "xaxis": {**_AXIS, "tickformat": ".0%", "title": {"text": across}},
        "yaxis": {
            **_AXIS,
            "tickformat": ".0%",
            "title": {"text": up},
            "range": [0, top],
            "dtick": fine,
        },
        "dragmode": False,
        "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--edge", "font": {"color": "--text"}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
