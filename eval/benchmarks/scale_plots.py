"""What `scale.py` measured, as a table and as plots over the number of papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from report import Table, plot

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from probe import Point
    from scale import Report

Read = Callable[["Point"], float]

_LATENCY: dict[str, Read] = {
    "ask, median ms": lambda point: point.latency.ask_ms,
    "ask, p95 ms": lambda point: point.latency.ask_p95_ms,
    "search, median ms": lambda point: point.latency.search_ms,
    "search, p95 ms": lambda point: point.latency.search_p95_ms,
    "bare embedding, ms": lambda point: point.latency.embedding_ms,
    "dot product, ms": lambda point: point.latency.dot_product_ms,
}
_RATIOS: dict[str, Read] = {
    "ask to bare embedding": lambda point: point.latency.ask_to_embedding,
    "search to dot product": lambda point: point.latency.search_to_dot_product,
    "search to embedding and dot product": lambda point: point.latency.search_to_dense,
    "fresh process to the model's": lambda point: point.cold.ratio_to_model_process,
    "memory to session and vectors": lambda point: point.memory.ratio_to_session_and_vectors,
    "disk to text and vectors": lambda point: point.disk.ratio_to_text_and_vectors,
}
_COLD: dict[str, Read] = {
    "fresh `citewell ask`, s": lambda point: point.cold.process_seconds,
    "in it, to the first sentence, s": lambda point: point.cold.first_sentence_seconds,
    "fresh process of the model alone, s": lambda point: point.cold.model_process_seconds,
}
_MEMORY: dict[str, Read] = {
    "memory when warm, MiB": lambda point: point.memory.warm_mib,
    "memory after the questions, MiB": lambda point: point.memory.after_mib,
    "session and vectors, MiB": lambda point: point.memory.session_and_vectors_mib,
}
_DISK: dict[str, Read] = {
    "library, bytes a paper": lambda point: point.disk.library,
    "vector index, bytes a paper": lambda point: point.disk.vectors,
}
_FACTS: dict[str, Read] = {
    "vectors": lambda point: point.vectors,
    "questions": lambda point: point.latency.questions,
    "share answered": lambda point: point.latency.answered,
    "share whose paper is found first": lambda point: point.latency.first,
}
_PLOTS = {
    "Latency of warm questions": ("milliseconds", _LATENCY),
    "Ratios to what must be done at least": ("times", _RATIOS),
    "Cold start": ("seconds", _COLD),
    "Resident memory": ("MiB", _MEMORY),
    "Disk": ("bytes a paper", _DISK),
}


def table(report: Report) -> Table:
    """Returns a row a measure and a column a collection."""
    measures = {**_FACTS, **_LATENCY, **_COLD, **_MEMORY, **_DISK, **_RATIOS}
    rows = [(name, *(read(point) for point in report.points)) for name, read in measures.items()]
    return Table(("papers", *(f"{point.papers:,}" for point in report.points)), rows)


def plots(report: Report) -> list[Figure]:
    """Returns lines over the number of papers, both axes logarithmic."""
    papers = [point.papers for point in report.points]
    return [
        plot(
            title,
            papers,
            {name: [read(point) for point in report.points] for name, read in measures.items()},
            ("papers", unit),
            bars=False,
        )
        for title, (unit, measures) in _PLOTS.items()
    ]
