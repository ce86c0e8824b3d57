"""What Citewell does when it is killed, starved, damaged and confused: nothing acknowledged may be lost.

    python eval/benchmarks/faults.py --trials 100 --json faults.json
    python eval/benchmarks/faults.py --trials 20 --only kill disk
    python eval/benchmarks/faults.py --only clients --minutes 10

A child process stores, changes and removes made-up papers, makes the index anew and swaps it, and acknowledges each
operation when it has returned. The trials kill it, cut the power, let it run out of disk, take its rights away,
damage its files, let the clock jump and start a second writer. After each, a fresh process checks both databases,
looks for papers by their own words and vectors, and compares all papers with what was acknowledged: an operation that
never returned may have been done or not, paper by paper, but a paper is never anything else than it was before or was
to become. Every random choice comes from `--seed`; moments also depend on the machine. Linux only; `power`, `disk`
and `read-only` take root.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import faults_trials as trials
from faults_disk import MAKERS
from faults_parent import WRITES, Tally
from faults_power import power_cut
from faults_power_files import power_cut_of_files
from report import Machine, Table, conclude, machine, options_of

if TYPE_CHECKING:
    from faults_clients import Load

_HEAD = (
    "fault", "trials", "hit", "acknowledged", "lost", "wrong", "unsound", "crashed", "recovery", "longest message"
)  # fmt: skip
_CLIENTS = "clients"

Trial = Callable[[int, Path, random.Random], Tally]
TRIALS: dict[str, list[Trial]] = {
    "kill": [partial(trials.kill, kind) for kind in (*WRITES, "repair")],
    "index": [partial(trials.index_damage, harm) for harm in trials.HARMS],
    "library": [partial(trials.library_damage, harm) for harm in trials.HARMS],
    "power": [partial(cut, kind) for cut in (power_cut, power_cut_of_files) for kind in MAKERS],
    "disk": [trials.limited_files, trials.full_disk],
    "read-only": [trials.read_only],
    "clock": [trials.clock_jumps],
    "writers": [trials.two_writers],
}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every fault, and of many clients if they were let in."""

    machine: Machine
    seed: int
    faults: list[Tally]
    clients: Load | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials, prints and writes the report; returns 1 if anything was lost, wrong, unsound or crashed."""
    parser = options_of(__doc__)
    parser.add_argument("--trials", type=int, default=10, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*TRIALS, _CLIENTS], default=[*TRIALS, _CLIENTS])
    parser.add_argument("--clients", type=int, default=50, help="how many ask at the same time")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long they ask")
    parser.add_argument("--rate", type=float, default=4.0, help="questions a second, of all of them together")
    options = parser.parse_args(arguments)
    report = Report(machine(), options.seed, [], None)
    for trial in (one for name in options.only for one in TRIALS.get(name, ())):
        report.faults.append(run(trial, options.trials, options.seed))
        print(
            table(report.faults[-1:]).text(),
            *report.faults[-1].details,
            sep="\n",
            file=sys.stderr,
            flush=True,
        )
    if _CLIENTS in options.only:
        from faults_clients import many_clients  # takes what the chat takes

        load = many_clients(options.clients, 60 * options.minutes, options.rate, options.seed)
        report = Report(report.machine, report.seed, report.faults, load)
    conclude(report, options.json, "\n\n".join(part.text() for part in tables(report)))
    return int(failed(report))


def run(trial: Trial, count: int, seed: int) -> Tally:
    """Returns what became of so many trials of a fault, in a folder of their own that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="citewell-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        tally = trial(count, folder, random.Random(seed))
    tally.messages = {
        re.sub(rf"{name}(/disk)?/(data|sound)", "DATA", m): n for m, n in tally.messages.items()
    }
    tally.details = [detail.replace(name, "FOLDER") for detail in tally.details]
    return tally


def failed(report: Report) -> bool:
    """Returns whether anything was lost, wrong, unsound or crashed."""
    harmed = any(one.lost or one.wrong or one.unsound or one.crashed for one in report.faults)
    return harmed or (report.clients is not None and bool(report.clients.failed or report.clients.mixed))


def tables(report: Report) -> list[Table]:
    """Returns the table of faults, and that of the clients if there were any."""
    made = [table(report.faults)] if report.faults else []
    return made if report.clients is None else [*made, report.clients.table()]


def table(tallies: Sequence[Tally]) -> Table:
    """Returns one row a fault."""
    return Table(
        _HEAD,
        [
            (
                one.fault, one.trials, one.hit, one.acknowledged, one.lost, one.wrong, one.unsound, one.crashed,
                one.recovery, one.worst,
            )
            for one in tallies
        ],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
