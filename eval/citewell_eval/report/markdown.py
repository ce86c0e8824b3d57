"""A report as Markdown, for a comment on a pull request.

Nothing of a case, a paper or an answer becomes markup. GitHub looks for mentions, issues and addresses in what Markdown
made of a text, where a backslash no longer stands: an invisible space keeps those apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from citewell.terminal import counted

from citewell_eval.measures import Measured
from citewell_eval.outcomes import Outcome
from citewell_eval.report.model import Report, is_right
from citewell_eval.report.wording import (
    FAULTS,
    UNKNOWN,
    Told,
    Worse,
    change,
    expected,
    how_wrong,
    interval,
    number,
    one_line,
    said,
    timing_line,
    verdict,
)

LONGEST = 60_000  # characters; GitHub takes 65,536
_LONGEST_TEXT = 500
_LONGEST_ID = 80
_RESERVE = 200  # characters for what is said of a cut and to close what is open
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#|~$&!^]")
_OPENING = re.compile(r"^(?:[-+=:]|\d+(?=[.)]))")  # what makes a list or a heading of a line
_APART = "&#8203;"
_LINKED = re.compile(r"@|\\#|:(?=//)|(?<=www)(?=\.)|(?<=mailto):|(?<=xmpp):|(?<=GH)-", re.IGNORECASE)


def markdown(report: Report) -> str:
    """Returns the report, at most `LONGEST` characters; where it was cut it says so."""
    told = Told(report)
    word, why = verdict(report)
    mark = "✅" if word == "PASSED" else "❌"
    blocks = [f"## {mark} citewell eval: {word}", f"{escape(why)}."]
    blocks += ["\n".join(_fault_lines(report))] if report.faults else []
    blocks += [_table(told), _about(report)]
    if report.errors:
        rows = [f"- {_id(case)}: {escape(error)}" for case, error in report.errors.items()]
        blocks += _details(f"{counted(len(report.errors), 'case')} could not be run", rows)
    if told.worse:
        rows = [_worse(worse) for worse in told.worse]
        blocks += _details(f"{counted(len(rows), 'case')} got worse", rows)
    wrong = [outcome for outcome in told.wrong if outcome.error is None]
    if wrong:
        summary = f"{counted(len(wrong), 'case')} did not come out right"
        blocks += _details(summary, [_case(outcome) for outcome in wrong])
    return _fitted(blocks)


def escape(text: str, most: int = _LONGEST_TEXT) -> str:
    """Returns Markdown that shows a text as it is, on one line, in a table too: no markup, mentions or links."""
    escaped = _SPECIAL.sub(r"\\\g<0>", one_line(text, most))
    escaped = _OPENING.sub(lambda found: found[0] + "\\" if found[0].isdigit() else "\\" + found[0], escaped)
    return _LINKED.sub(lambda found: found[0] + _APART, escaped)


def _id(case: str) -> str:
    return f"**{escape(case, _LONGEST_ID)}**"


def _fault_lines(report: Report) -> Iterator[str]:
    for fault in report.faults:
        yield f"- **{FAULTS[fault.kind]}** {escape(fault.message)}"


def _table(told: Told) -> str:
    head = ["measure", "value", "95 % interval", "limit"]
    sides = ["---", "--:", ":-:", ":-:"]
    if told.report.comparison is not None:
        head, sides = [*head, "change"], [*sides, "---"]
    rows = [head, sides, *(_row(measured, told) for measured in told.report.measured)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(measured: Measured, told: Told) -> list[str]:
    name, estimate = measured.measure.name, measured.estimate
    shown = f"❌ **{escape(name)}**" if name in told.faulty else escape(name)
    row = [shown, number(estimate.value), interval(estimate), told.limit(measured)]
    return [*row, change(told.changes.get(name))] if told.report.comparison is not None else row


def _about(report: Report) -> str:
    parts = [f"Suite {escape(report.suite)}: {counted(len(report.outcomes), 'case')}", escape(report.system)]
    parts += [f"support judged by {escape(report.judge)}"] if report.judge else []
    if report.comparison is not None:
        parts.append(f"compared with {escape(report.comparison.baseline)}")
        parts += [f"{len(report.comparison.added):,} cases new"] if report.comparison.added else []
        parts += [f"{len(report.comparison.removed):,} cases gone"] if report.comparison.removed else []
    parts += [escape(timing_line(report))] if report.timings else []
    return " · ".join(parts)


def _details(summary: str, rows: list[str]) -> list[str]:
    """Returns blocks that fold the rows away; GitHub reads Markdown inside after a blank line."""
    return [f"<details><summary>{summary}</summary>", *rows, "</details>"]


def _worse(worse: Worse) -> str:
    moved = ", ".join(f"{escape(name)} {old:.2f} → {new:.2f}" for name, (old, new) in worse.scores.items())
    if worse.outcome is None:
        return f"- {_id(worse.case)}: {moved}"
    ending = "" if is_right(worse.outcome) else f" ({how_wrong(worse.outcome)})"
    return f"- {_id(worse.case)}: {moved}{ending}\n" + "\n".join(_facts(worse.outcome))


def _case(outcome: Outcome) -> str:
    return f"- {_id(outcome.case.id)}: {how_wrong(outcome)}\n" + "\n".join(_facts(outcome))


def _facts(outcome: Outcome) -> Iterator[str]:
    yield f"  - asked: {escape(outcome.case.question)}"
    for label, text in expected(outcome):
        yield f"  - {label}: {escape(text)}"
    lines = said(outcome) or [f"error: {outcome.error or UNKNOWN}"]
    yield f"  - said: {escape(' '.join(lines), 2 * _LONGEST_TEXT)}"


def _fitted(blocks: list[str]) -> str:
    """Returns the blocks as far as there is room; what is folded stays closed."""
    room, kept, left_out = LONGEST - _RESERVE, list[str](), 0
    opened = full = False
    for block in blocks:
        if block == "</details>":
            kept += [block] if opened else []
            opened = False
        elif full or len(block) + 2 > room:
            full = True
            left_out += not block.startswith("<details>")
        else:
            kept.append(block)
            room -= len(block) + 2
            opened = opened or block.startswith("<details>")
    if full:
        kept.append(f"_Cut here: {left_out:,} more entries are in the JSON and HTML reports._")
    return "\n\n".join(kept) + "\n"
