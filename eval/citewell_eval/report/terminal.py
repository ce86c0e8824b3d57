"""A report on the terminal, in 80 columns: what is wrong first, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator

from citewell.terminal import clean, counted, labelled
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from citewell_eval.report.model import Fault, Report
from citewell_eval.report.wording import (
    FAULTS,
    Told,
    change,
    interval,
    number,
    one_line,
    passed,
    timing_line,
    verdict,
)

_BAD, _GOOD, _MODEST = "bold red", "bold green", "dim"
_SHOWN = 10  # errors, and cases that got worse
_LONGEST = 400  # characters of a message
_WIDTH = 80


def show(report: Report) -> RenderableType:
    """Returns the report for `make_console`."""
    told = Told(report)
    parts: list[RenderableType] = [_head(report), Text()]
    parts += [_fault(fault) for fault in report.faults]
    parts += [Text()] if report.faults else []
    parts += [_measures(told), Text(), _kinds(report)]
    for lines in (_compared(told), _errors(report)):
        found = list(lines)
        parts += [Text(), *found] if found else []
    if line := timing_line(report):
        parts += [Text(), Text(line, style=_MODEST)]
    word, why = verdict(report)
    parts += [Text(), Text.assemble((word, _GOOD if passed(report) else _BAD), f": {why}.")]
    return Group(*parts)


def _head(report: Report) -> Text:
    judged = f", support judged by {report.judge}" if report.judge else ""
    about = f"{counted(len(report.outcomes), 'case')}, {report.system}{judged}"
    return Text.assemble((f"Suite {clean(report.suite)}", "bold"), f": {clean(about)}")


def _fault(fault: Fault) -> RenderableType:
    return labelled(FAULTS[fault.kind], Text(one_line(fault.message, _LONGEST)), _BAD)


def _measures(told: Told) -> RenderableType:
    compared = told.report.comparison is not None
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, width=_WIDTH, header_style=_MODEST)
    table.add_column("measure", overflow="fold", ratio=1)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("limit", no_wrap=True)
    if compared:
        table.add_column("change", no_wrap=True)
    for family, own in told.families:
        table.add_row(Text(clean(family), style="bold"))
        for measured in own:
            name, estimate = measured.measure.name, measured.estimate
            bad = name in told.faulty
            cells = [
                Text(f"{'✗' if bad else ' '} {clean(name)}", style=_BAD if bad else ""),
                Text(number(estimate.value)),
                Text(interval(estimate), style=_MODEST),
                Text(told.limit(measured)),
            ]
            moved = told.changes.get(name)
            cells += (
                [Text(change(moved, 2), style=_BAD if moved and moved.regressed else "")] if compared else []
            )
            table.add_row(*cells)
    return table


def _kinds(report: Report) -> RenderableType:
    """Returns the kinds in two columns of a table."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style=_MODEST)
    for _ in range(2):
        table.add_column("kind", max_width=24, overflow="fold")
        table.add_column("right", justify="right", no_wrap=True)
    cells = [(Text(clean(kind.kind)), Text(f"{kind.right}/{kind.cases}")) for kind in report.kinds]
    half = (len(cells) + 1) // 2
    for row in range(half):
        other = cells[half + row] if half + row < len(cells) else ()
        table.add_row(*cells[row], *other)
    return table


def _compared(told: Told) -> Iterator[RenderableType]:
    comparison = told.report.comparison
    if comparison is None:
        return
    parts = [f"Compared with {one_line(comparison.baseline, 100)}"]
    parts += [f"{len(comparison.added):,} cases new"] if comparison.added else []
    parts += [f"{len(comparison.removed):,} cases gone"] if comparison.removed else []
    parts.append(f"{counted(len(told.worse), 'case')} worse in some measure")
    yield Text(" · ".join(parts))
    for worse in told.worse[:_SHOWN]:
        scores = ", ".join(f"{name} {old:.2f} → {new:.2f}" for name, (old, new) in worse.scores.items())
        yield labelled("  worse", Text(f"{one_line(worse.case, 60)}: {scores}"), _MODEST)
    yield from _more(len(told.worse))


def _errors(report: Report) -> Iterator[RenderableType]:
    if not report.errors:
        return
    yield Text(f"{counted(len(report.errors), 'case')} could not be run", style=_BAD)
    for case, error in list(report.errors.items())[:_SHOWN]:
        yield labelled("  error", Text(f"{one_line(case, 60)}: {one_line(error, _LONGEST)}"), _MODEST)
    yield from _more(len(report.errors))


def _more(number: int) -> Iterator[Text]:
    if number > _SHOWN:
        yield Text(f"  … and {number - _SHOWN:,} more", style=_MODEST)
