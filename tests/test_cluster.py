"""Ingest on Ray: a real local cluster of two workers, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from citewell import Assistant
from citewell.embedding.base import PaperVectors, Passages
from citewell.embedding.cluster import ClusterDriver, cluster
from citewell.embedding.cluster_driver import Connection
from citewell.embedding.cluster_tasks import ClusterTasks, reason_of
from citewell.errors import ModelError, UsageError
from fakes import HashEmbedder, entries, paper

PROGRAM = """
import sys
from pathlib import Path
import ray
from citewell import Assistant
from citewell.errors import ModelError
sys.path.append(sys.argv[3])
from fakes import entries, paper

folder = Path(sys.argv[1])
papers = [paper(number) for number in range(70)]
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False, _node_ip_address="127.0.0.1")

def ingest(name, **settings):
    with Assistant.open(folder / name, **settings) as assistant:
        assistant.collection.ingest(entries(papers))
        database = assistant.collection.library.connection()
        rows = database.execute("SELECT * FROM papers ORDER BY row").fetchall()
        return rows, database.execute("SELECT * FROM passages ORDER BY content_hash").fetchall()

assert ingest("here") == ingest("ray", ray="auto"), "other chunks, ids or vectors"
mortal = "llama_index:ray_models:Mortal"
rows, passages = ingest("mortal-ray", embedding=mortal, ray="auto")
assert Path(sys.argv[2]).exists(), "no worker died"
assert (rows, passages) == ingest("mortal-here", embedding=mortal), "the death of a worker changed something"
try:
    ingest("broken", embedding="llama_index:ray_models:Broken", ray="auto")
except ModelError as error:
    print(error)
ray.shutdown()
"""


SOURCES = [entry for entry in sys.path if entry and entry != str(Path(__file__).parent)]

# The real driver on a Ray that never answers, whose head is gone.
DRIVER = """
import sys, time, types
from citewell.embedding import cluster_driver

ray = types.ModuleType("ray")
ray.remote = lambda **options: lambda task: types.SimpleNamespace(remote=lambda *inputs: "a task")
ray.cluster_resources = lambda: {"CPU": 2.0}
ray.nodes = lambda: []
ray.get_runtime_context = lambda: types.SimpleNamespace(gcs_address="127.0.0.1:1")
ray.init = lambda **options: print("Ray says hello on stdout")
ray.wait = lambda *inputs, **options: time.sleep(60)
ray.exceptions = types.SimpleNamespace(RayTaskError=ValueError, RayError=ValueError)
sys.modules["ray"] = ray
cluster_driver._LOOK_SECONDS = 0.1
cluster_driver.main()
"""

WANTED = Connection("auto", "minilm", "fingerprint")


def run_unguarded(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Without the guard of outside connections: Ray's own processes ask for the name of this machine."""
    inherited = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, *arguments],
        env=inherited | {"RAY_USAGE_STATS_ENABLED": "0"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_cluster_gives_the_same_bytes_and_the_death_of_a_worker_loses_nothing(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    death = tmp_path / "death"
    done = run_unguarded(
        *("-c", PROGRAM, str(tmp_path), str(death), str(tests)),
        PYTHONPATH=os.pathsep.join([*SOURCES, str(tests / "cluster")]),
        TEST_RAY_DEATH=str(death),
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()[-1]  # Ray writes of the death before it
    assert re.match(r"Ray node [\d.]+: The LlamaIndex embedding Broken", told)
    assert "no memory left on the card" in told


def test_a_cluster_that_is_not_there_is_named_with_its_cure(tmp_path: Path) -> None:
    with (
        Assistant.open(tmp_path, ray="127.0.0.1:1") as assistant,
        pytest.raises(UsageError, match=r"No Ray cluster at '127.0.0.1:1'.*ray start --head"),
    ):
        assistant.collection.ingest(entries([paper(1)]))


def test_an_address_without_its_port_is_told_the_port() -> None:
    with (
        pytest.raises(UsageError, match=r"'ray://head' lacks a port. Use ray://head:10001"),
        cluster("ray://head", "minilm"),
    ):
        pass


def test_the_command_prints_one_document_and_nothing_of_ray(tmp_path: Path) -> None:
    source, rows = tmp_path / "papers.jsonl", [paper(number) for number in range(20)]
    source.write_text("\n".join(json.dumps({"title": row.title, "abstract": row.abstract}) for row in rows))
    told = {}
    for name, options in (("here", ()), ("ray", ("--ray", "local"))):
        done = run_unguarded(
            *(
                "-m",
                "citewell",
                "ingest",
                str(source),
                "--data-dir",
                str(tmp_path / name),
                "--json",
                *options,
            ),
            PYTHONPATH=os.pathsep.join(SOURCES),
        )
        assert (done.returncode, done.stderr) == (0, "")
        told[name] = {**json.loads(done.stdout), "seconds": 0}
    assert told["ray"] == told["here"]


def test_a_head_that_goes_away_is_an_error_and_not_the_end_of_this_process() -> None:
    with ClusterDriver(WANTED, [sys.executable, "-c", DRIVER]) as driver:
        assert driver.papers_at_once() == 128
        with pytest.raises(
            ModelError, match=r"'auto' was lost: its head at 127.0.0.1:1 does not.*kept.*again"
        ):
            driver.embed([Passages("title", "text")])


def test_a_driver_that_ray_ends_is_told_with_its_last_words() -> None:
    ended = [sys.executable, "-c", "import sys; sys.exit('no memory left')"]
    with pytest.raises(ModelError, match=r"was lost: Ray ended .* \(status 1\): no memory left\. .*kept"):
        ClusterDriver(WANTED, ended)


def test_a_cluster_that_never_answers_is_given_up() -> None:
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(UsageError, match=r"No Ray cluster at 'auto': no answer within 1 seconds"):
        ClusterDriver(WANTED, silent, limit=1.0)


class FakeRay:
    """A cluster whose first task is on a node that dies, and never ends; `cpus` are those left."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=ZeroDivisionError)

    def __init__(self, cpus: float) -> None:
        self.cpus = cpus
        self.submitted = list[Sequence[Passages]]()
        self.looks = 0

    def remote(self, **options: object) -> Callable[[object], SimpleNamespace]:
        return lambda task: SimpleNamespace(remote=self.submit)

    def submit(self, spec: str, fingerprint: str, batch: Sequence[Passages]) -> int:
        self.submitted.append(batch)
        return len(self.submitted) - 1

    def wait(self, tasks: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return [task for task in tasks if task], [0]

    def get(self, task: int) -> list[PaperVectors]:
        return [
            PaperVectors(np.full(2, task), np.full((1, 2), len(one.text))) for one in self.submitted[task]
        ]

    def nodes(self) -> list[dict[str, object]]:
        self.looks += 1
        return [{"NodeID": "one", "Alive": True}, {"NodeID": "two", "Alive": self.looks < 3}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus}

    available_resources = cluster_resources


def test_tasks_that_no_node_can_take_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay(0.0))
    tasks = ClusterTasks("minilm", "fingerprint", patience=0.0)
    with pytest.raises(ModelError, match=r"No node of the Ray cluster had a CPU.*ray start --address"):
        tasks.embed([Passages("title", "text")])


def test_what_a_lost_node_had_to_do_is_submitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay(1.0)
    monkeypatch.setitem(sys.modules, "ray", ray)
    batch = [Passages("title", "t" * number) for number in range(40)]
    vectors = ClusterTasks("minilm", "fingerprint").embed(batch)
    assert [int(paper.chunks[0, 0]) for paper in vectors] == list(range(40))
    assert [len(task) for task in ray.submitted] == [16, 16, 8, 16]
    assert ray.submitted[3] == ray.submitted[0]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("Failed to connect", "Failed to connect."),
        ("Ray asks:\nline\nValueError: no", "Ray asks: ValueError: no."),
        ("", "RuntimeError."),
    ],
)
def test_what_ray_says_becomes_one_sentence(told: str, reason: str) -> None:
    assert reason_of(RuntimeError(told)) == reason


def test_batches_grow_when_workers_join(tmp_path: Path) -> None:
    class Growing(HashEmbedder):
        papers_at_once = 4

        def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
            sizes.append(len(batch))
            self.papers_at_once *= 4
            return super().embed_papers(batch)

    sizes = list[int]()
    with Assistant.open(tmp_path, embedder=Growing(), ingest_batch=2) as assistant:
        assistant.collection.ingest(entries([paper(number) for number in range(40)]))
    assert sizes[0] == 4
    assert max(sizes) >= 16
    assert sum(sizes) == 40
