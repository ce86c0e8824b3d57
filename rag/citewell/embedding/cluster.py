"""Embedding on a Ray cluster: the same model in every worker, the same vectors in the same order.

Plain Ray tasks rather than LlamaIndex's Ray pipeline or Ray Data: late chunking needs a whole paper a text, the order
must stay, and a task whose worker died is simply run again. Chunks and ids are made where the collection is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citewell.embedding import open_embedder
from citewell.embedding.base import Embedder, PaperVectors, Passages
from citewell.errors import MissingExtraError, ModelError, UsageError

LOCAL = "local"
_PAPERS_A_TASK = 16
_PAPERS_A_CPU = 64  # asked for at a time, so that the cluster does not wait for the one that stores
_DEATHS = 5  # of workers that one task survives


class ClusterEmbedder:
    """Gives the vectors that the model of a spec gives, made by the workers of a running cluster.

    Args:
        spec: The model, as `open_embedder` takes it; every node needs it.

    Attributes:
        papers_at_once: How many papers keep every worker busy.
    """

    def __init__(self, spec: str) -> None:
        self._here = open_embedder(spec)
        self._ray = _ray()
        self._spec = spec
        self._task: Any = self._ray.remote(num_cpus=1, max_retries=_DEATHS)(_embed)
        self.papers_at_once = _PAPERS_A_CPU * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def name(self) -> str:
        """The model's name."""
        return self._here.name

    @property
    def fingerprint(self) -> str:
        """That of the model: where it ran changes nothing."""
        return self._here.fingerprint

    @property
    def dim(self) -> int:
        """The length of the vectors."""
        return self._here.dim

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of questions, made here."""
        return self._here.embed_queries(texts)

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The model failed in a worker, or workers died again and again.
        """
        # Papers of one length in one task, so that the tasks take alike.
        order = sorted(range(len(batch)), key=lambda i: len(batch[i].text), reverse=True)
        tasks = [order[low : low + _PAPERS_A_TASK] for low in range(0, len(order), _PAPERS_A_TASK)]
        pending = [
            self._task.remote(self._spec, self.fingerprint, [batch[i] for i in task]) for task in tasks
        ]
        try:
            done = self._ray.get(pending)
        except self._ray.exceptions.RayTaskError as error:
            raise _told(error.cause) from error
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"The Ray cluster failed: {reason} What was embedded is kept; look at `ray status`, then ingest again."
            ) from error
        by_index = dict(
            zip((i for task in tasks for i in task), (v for part in done for v in part), strict=True)
        )
        return [by_index[i] for i in range(len(batch))]


@contextmanager
def cluster(address: str, spec: str) -> Iterator[ClusterEmbedder]:
    """Yields an embedder on the cluster at an address, or on one of this machine's CPUs for `local`.

    A program that is connected to a cluster already stays so, whatever the address.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: There is no cluster at the address.
    """
    ray = _ray()
    if ray.is_initialized():
        yield ClusterEmbedder(spec)
        return
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == LOCAL:
        options |= {"address": LOCAL, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        options |= {"address": address}
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"No Ray cluster at {address!r}: {reason} Start one with `ray start --head`, or use --ray local."
        ) from error
    try:
        yield ClusterEmbedder(spec)
    finally:
        ray.shutdown()


def _ray() -> Any:  # noqa: ANN401 (it is typed in part only)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "Ingest on Ray needs the extra ray. Install it: pip install 'citewell[ray]'"
        ) from error
    return ray


def _embed(spec: str, fingerprint: str, batch: Sequence[Passages]) -> list[PaperVectors]:
    """Runs in a worker."""
    model = _model_of(spec)
    if model.fingerprint != fingerprint:
        raise ModelError(
            f"A Ray worker has another {spec} ({model.fingerprint}, not {fingerprint}). "
            "Install the same versions on every node."
        )
    return model.embed_papers(batch)


@lru_cache(maxsize=1)
def _model_of(spec: str) -> Embedder:
    return open_embedder(spec, threads=1)


def _told(cause: BaseException) -> ModelError:
    if isinstance(cause, ModelError):
        return cause
    return ModelError(
        f"Embedding failed in a Ray worker: {type(cause).__name__}: {cause}. Check its node's set-up."
    )
