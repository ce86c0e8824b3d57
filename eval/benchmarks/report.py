"""What all benchmarks share: their options, what time and memory are read from, and reports as JSON and HTML."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from plotly.graph_objects import Figure

_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid #ccc; padding: .25rem .75rem; text-align: right; }
td:first-child, th:first-child { text-align: left; }"""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a measurement depends on and nothing that tells whose machine it was; memory in GiB, None if unknown."""

    cores: int
    memory_gib: float | None
    system: str
    architecture: str
    python: str


def machine() -> Machine:
    """Returns the facts about this machine."""
    return Machine(usable_cpus(), _memory(), platform.system(), platform.machine(), platform.python_version())


def usable_cpus() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not on this system
        return None


# --- measuring ------------------------------------------------------------------------------------------


T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Returns what some work returns, and how many seconds it takes."""
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


def seconds(work: Callable[[], object]) -> float:
    """Returns how many seconds some work takes."""
    return timed(work)[1]


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """Returns the least value that a share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def resident_mib(process_id: int) -> float:
    """Returns the resident set of a process in MiB; Linux only."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


# --- options and JSON -----------------------------------------------------------------------------------


def options_of(doc: str | None) -> argparse.ArgumentParser:
    """Returns a parser that describes a benchmark by its module's docstring and takes `--json FILE`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file")
    return parser


def conclude(report: DataclassInstance, path: Path | None, table: str | None = None) -> int:
    """Prints a report, as a table if there is one, and writes it to a file; returns the exit status."""
    print(table or _as_json(asdict(report)))
    if path is not None:
        write_json(path, asdict(report))
    return 0


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON document."""
    path.write_text(_as_json(document) + "\n", encoding="utf-8")


def _as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


# --- tables and HTML ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a head; the first column names them."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]

    def text(self) -> str:
        """Returns the table for a terminal, its columns aligned."""
        lines = [list(self.head), *([shown(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if n else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def html(self) -> str:
        """Returns the table as HTML."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        rows = ("".join(f"<td>{escape(shown(cell))}</td>" for cell in row) for row in self.rows)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def shown(value: object) -> str:
    """Returns a number as people read it, three digits that count; None is a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_html(path: Path, title: str, parts: Sequence[Table | Figure | str]) -> None:
    """Writes tables, plots and paragraphs into one file that asks no server for anything, not even for plotly.js."""
    bodies, loaded = list[str](), False
    for part in parts:
        if isinstance(part, str):
            bodies.append(f"<p>{escape(part)}</p>")
        elif isinstance(part, Table):
            bodies.append(part.html())
        else:
            bodies.append(
                part.to_html(full_html=False, include_plotlyjs=not loaded, config={"displaylogo": False})
            )
            loaded = True
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{''.join(bodies)}</body></html>\n"
    )
    path.write_text(page, encoding="utf-8")


def _round_numbers(lines: Iterable[Sequence[float]]) -> list[float]:
    """Returns 1, 2 and 5 times the powers of ten about some lines, for an axis that is logarithmic."""
    values = [value for line in lines for value in line if value > 0]
    if not values:
        return []
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    return [digit * 10.0**power for power in powers for digit in (1, 2, 5)]


def plot(
    title: str, x: Sequence[object], series: Mapping[str, Sequence[float]], axes: tuple[str, str], bars: bool
) -> Figure:
    """Returns a plot of several series over the same places.

    Args:
        title: what it shows.
        x: the places, numbers for lines and names for bars.
        series: the heights by the name of the series.
        axes: what both axes hold, with the unit.
        bars: whether it has bars over names, or else lines over numbers with both axes logarithmic.
    """
    from plotly.graph_objects import Bar, Figure, Scatter

    figure = Figure()
    for name, heights in series.items():
        points = {"x": list(x), "y": list(heights), "name": name}
        figure.add_trace(Bar(points) if bars else Scatter(points, mode="lines+markers"))
    figure.update_layout(title=title, template="plotly_white", height=420, showlegend=True)
    figure.update_xaxes(title=axes[0], type="category" if bars else "log")
    figure.update_yaxes(title=axes[1], type="linear" if bars else "log")
    if not bars:
        figure.update_xaxes(tickvals=list(x), tickformat=",")
        figure.update_yaxes(tickvals=_round_numbers(series.values()), tickformat=",")
    return figure
