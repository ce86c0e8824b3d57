"""The work on a Ray cluster, seen from the process that is connected to it: papers in, vectors out, in order.

Plain Ray tasks rather than LlamaIndex's Ray pipeline or Ray Data: late chunking needs a whole paper a text, the order
must stay, and a task whose worker died is simply run again. Chunks and ids are made where the collection is.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from citewell.embedding import open_embedder
from citewell.embedding.base import Embedder, PaperVectors, Passages
from citewell.errors import CitewellError, MissingExtraError, ModelError

_PAPERS_A_TASK = 16
_PAPERS_A_CPU = 64  # asked for at a time, so that the cluster does not wait for the one that stores
_DEATHS = 5  # of workers that one task survives
_LOOK_SECONDS = 10.0
_NO_CPU_SECONDS = 300.0  # a cluster that grows when there is work takes minutes for its first node


class ClusterTasks:
    """Embeds on the cluster that this process is connected to.

    Args:
        spec: The model, as `open_embedder` takes it; every node needs it.
        fingerprint: That of the model here; a node with another one is refused.
        patience: For how many seconds no node may have a CPU.
    """

    def __init__(self, spec: str, fingerprint: str, patience: float = _NO_CPU_SECONDS) -> None:
        self._ray = import_ray()
        self._spec = spec
        self._fingerprint = fingerprint
        self._patience = patience
        self._task: Any = self._ray.remote(num_cpus=1, max_retries=_DEATHS)(_embed)

    def papers_at_once(self) -> int:
        """Returns how many papers keep every worker busy that there is now."""
        return _PAPERS_A_CPU * max(1, self._cpus())

    def embed(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Returns the vectors of every paper, in the order given.

        Raises:
            ModelError: The model failed in a worker, workers died again and again, or there are none.
        """
        # Papers of one length in one task, so that the tasks take alike.
        order = sorted(range(len(batch)), key=lambda i: len(batch[i].text), reverse=True)
        tasks = [order[low : low + _PAPERS_A_TASK] for low in range(0, len(order), _PAPERS_A_TASK)]
        try:
            done = self._results([[batch[i] for i in task] for task in tasks])
        except self._ray.exceptions.RayTaskError as error:
            raise _told(error) from error
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise ModelError(
                f"The Ray cluster failed: {reason_of(error)} What was stored is kept; look at `ray status`, "
                "then ingest again."
            ) from error
        by_index = dict(
            zip((i for task in tasks for i in task), (v for part in done for v in part), strict=True)
        )
        return [by_index[i] for i in range(len(batch))]

    def _results(self, tasks: Sequence[Sequence[Passages]]) -> list[list[PaperVectors]]:
        """Returns the vectors of every task.

        Tasks that no node can take would wait for ever. And of a node whose network is gone Ray awaits the answers for
        minutes after it has told the node dead; so once a CPU is free they are submitted again.
        """
        pending = {self._submitted(task): number for number, task in enumerate(tasks)}
        found: dict[int, list[PaperVectors]] = {}
        nodes, lost, busy = self._nodes(), False, time.monotonic()
        while pending:
            done, _ = self._ray.wait(list(pending), timeout=_LOOK_SECONDS)
            found |= {pending[task]: self._ray.get(task) for task in done}
            pending = {task: number for task, number in pending.items() if number not in found}
            before, nodes = nodes, self._nodes()
            lost = lost or bool(before - nodes)
            if done or self._cpus():
                busy = time.monotonic()
            elif time.monotonic() - busy > self._patience:
                raise ModelError(
                    f"No node of the Ray cluster had a CPU for {self._patience:.0f} seconds. What was stored is kept; "
                    "start a node with `ray start --address HEAD:6379`, then ingest again."
                )
            if lost and not done and self._ray.available_resources().get("CPU", 0) >= 1:
                pending |= {self._submitted(tasks[number]): number for number in set(pending.values())}
                lost = False
        return [found[number] for number in range(len(tasks))]

    def _submitted(self, task: Sequence[Passages]) -> Any:  # noqa: ANN401
        return self._task.remote(self._spec, self._fingerprint, task)

    def _nodes(self) -> set[str]:
        return {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}

    def _cpus(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))


def import_ray() -> Any:  # noqa: ANN401 (it is typed in part only)
    """Returns Ray.

    Raises:
        MissingExtraError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "Ingest on Ray needs the extra ray. Install it: pip install 'citewell[ray]'"
        ) from error
    return ray


def reason_of(error: BaseException) -> str:
    """Returns what an error of Ray's says, as one sentence of moderate length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"{type(error).__name__}."
    told = lines[0]
    if told.endswith(":") and len(lines) > 1:  # what follows may be a traceback, the cause is its last line
        told = f"{told} {lines[-1]}"
    told = told[:300].rstrip()
    return told if told.endswith((".", "!", "?")) else f"{told}."


def _embed(spec: str, fingerprint: str, batch: Sequence[Passages]) -> list[PaperVectors]:
    """Runs in a worker."""
    model = _model_of(spec)
    if model.fingerprint != fingerprint:
        raise ModelError(
            f"Its {spec} is another one ({model.fingerprint}, not {fingerprint}). "
            "Install the same versions on every node, or stop that node, then ingest again."
        )
    return model.embed_papers(batch)


@lru_cache(maxsize=1)
def _model_of(spec: str) -> Embedder:
    return open_embedder(spec, threads=1)


def _told(error: Any) -> ModelError:  # noqa: ANN401 (a RayTaskError)
    """Returns the error of a task with the node that it names; what Ray makes of it is a traceback."""
    found = re.search(r"\bip=([\w.:]+)", str(error))
    node = f"Ray node {found[1]}" if found else "A Ray node"
    if isinstance(error.cause, CitewellError):
        return ModelError(f"{node}: {error.cause}")
    lines = [line.strip() for line in str(error.cause).splitlines() if line.strip()]
    missing = [line for line in lines if re.match(r"(ModuleNotFound|Import|Attribute)Error: ", line)]
    told = missing[-1] if missing else f"{type(error.cause).__name__}: {''.join(lines[:1])}"
    return ModelError(
        f"{node} cannot embed: {told.rstrip('.')}. Install citewell {version('citewell')} and its model there, "
        "or stop that node, then ingest again."
    )
