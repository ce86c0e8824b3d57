"""Ingest on Ray: a real local cluster of two workers, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from citewell import Assistant
from citewell.errors import UsageError
from fakes import entries, paper

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


def test_a_cluster_gives_the_same_bytes_and_the_death_of_a_worker_loses_nothing(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    death = tmp_path / "death"
    # Without the guard of outside connections: Ray's own processes ask for the name of this machine.
    inherited = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment = {
        **inherited,
        "PYTHONPATH": str(tests / "cluster"),
        "CITEWELL_TEST_DEATH": str(death),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(death), str(tests)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no memory left on the card" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_cluster_that_is_not_there_is_named_with_its_cure(tmp_path: Path) -> None:
    with (
        Assistant.open(tmp_path, ray="127.0.0.1:9") as assistant,
        pytest.raises(UsageError, match=r"No Ray cluster at '127.0.0.1:9'.*ray start --head"),
    ):
        assistant.collection.ingest(entries([paper(1)]))
