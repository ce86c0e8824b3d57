"""Many people at the real chat server over the packaged sample, for minutes, at a bounded rate."""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from chat import Asked, Server, ask, cites, serving
from citewell.assistant import Assistant
from citewell.sample import sample_path
from report import Table, percentile


@dataclass(frozen=True, slots=True)
class Load:
    """What many clients saw; latencies in milliseconds, memory of the server in MiB.

    Attributes:
        clients: how many there were, each with a cookie and questions of its own.
        seconds: how long they asked.
        questions: how many they asked.
        failed: questions that got no answer.
        mixed: answers that were not those which the same questions get alone, about their own papers.
        alone_p50_ms: one client, one question after the other, before the load.
        alone_p95_ms: the same.
        together_p50_ms: all clients.
        together_p95_ms: the same.
        ratio_p50: together to alone.
        ratio_p95: the same.
        memory_before_mib: before the load.
        memory_first_mib: after a tenth of the time.
        memory_after_mib: after all of it.
        errors: what the failed ones were told, the first few.
    """

    clients: int
    seconds: float
    questions: int
    failed: int
    mixed: int
    alone_p50_ms: float
    alone_p95_ms: float
    together_p50_ms: float
    together_p95_ms: float
    ratio_p50: float
    ratio_p95: float
    memory_before_mib: float
    memory_first_mib: float
    memory_after_mib: float
    errors: list[str]

    def table(self) -> Table:
        """Returns one row a number."""
        return Table(
            ("clients", "measured"), [(name.replace("_", " "), value) for name, value in asdict(self).items()]
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A question, its paper, and the sentences it is answered with when nobody else asks."""

    asked: Asked
    sentences: Any


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came of a question: milliseconds, and why there was no answer or another one."""

    took: float
    error: str = ""
    mixed: bool = False


def many_clients(clients: int, seconds: float, rate: float, seed: int) -> Load:
    """Returns what clients saw who asked for some seconds, all of them together at a rate a second."""
    with tempfile.TemporaryDirectory(prefix="citewell-faults-") as folder:
        with Assistant.open(folder) as assistant:
            assistant.ingest([sample_path()])
            papers = [stored.paper for stored in assistant.collection.library.iterate()]
        asked = [Asked(f"What does {one.title} report?", str(one.paper_id)) for one in papers]
        with serving(folder) as server:
            known, alone = _alone(server, asked)
            before = server.memory()
            first, begun = _together(server, known, clients, seconds / 10, rate, seed)
            after_first = server.memory()
            rest, ended = _together(server, known, clients, seconds - seconds / 10, rate, seed + 1)
            memory = (before, after_first, server.memory())
    return _summed(clients, begun + ended, alone, [*first, *rest], memory)


def _alone(server: Server, asked: Sequence[Asked]) -> tuple[list[_Known], list[float]]:
    """Returns the questions that are answered from their own papers, and how long each took."""
    known, took = list[_Known](), list[float]()
    for number, one in enumerate(asked):
        cookie = secrets.token_urlsafe(32)
        start = time.perf_counter()
        answer = ask(server, one.question, cookie)
        if number >= 5:  # the first ones load what the others find loaded
            took.append(1000 * (time.perf_counter() - start))
        if cites(answer, one.paper_id):
            known.append(_Known(one, answer["sentences"]))
    return known, took


def _together(
    server: Server, known: Sequence[_Known], clients: int, seconds: float, rate: float, seed: int
) -> tuple[list[_Reply], float]:
    """Returns all replies, and how long it took; a client asks at times of its own, whatever the others do."""
    start = time.perf_counter()

    def client(place: int) -> list[_Reply]:
        dice, cookie, replies = random.Random(f"{seed}-{place}"), secrets.token_urlsafe(32), list[_Reply]()
        own = known[place % len(known) :: clients] or [known[place % len(known)]]
        due = dice.uniform(0, clients / rate)
        while due < seconds:
            time.sleep(max(0.0, start + due - time.perf_counter()))
            replies.append(_asked(server, own[len(replies) % len(own)], cookie))
            due += dice.uniform(0.5, 1.5) * clients / rate
        return replies

    with ThreadPoolExecutor(clients) as pool:
        replies = [reply for one in pool.map(client, range(clients)) for reply in one]
    return replies, time.perf_counter() - start


def _asked(server: Server, known: _Known, cookie: str) -> _Reply:
    start = time.perf_counter()
    try:
        answer = ask(server, known.asked.question, cookie)
    except Exception as error:  # whatever it was, somebody got no answer
        return _Reply(0.0, f"{type(error).__name__}: {error}")
    took = 1000 * (time.perf_counter() - start)
    if "sentences" not in answer:
        return _Reply(took, str(answer))
    same = answer["question"] == known.asked.question and answer["sentences"] == known.sentences
    return _Reply(took, "", not (same and cites(answer, known.asked.paper_id)))


def _summed(
    clients: int, seconds: float, alone: Sequence[float], replies: Sequence[_Reply], memory: tuple[float, ...]
) -> Load:
    together = [reply.took for reply in replies if not reply.error] or [float("nan")]
    (alone_p50, alone_p95), (all_p50, all_p95) = (
        (percentile(took, 0.5), percentile(took)) for took in (alone, together)
    )
    return Load(
        clients=clients,
        seconds=round(seconds, 1),
        questions=len(replies),
        failed=sum(bool(reply.error) for reply in replies),
        mixed=sum(reply.mixed for reply in replies),
        alone_p50_ms=round(alone_p50, 1),
        alone_p95_ms=round(alone_p95, 1),
        together_p50_ms=round(all_p50, 1),
        together_p95_ms=round(all_p95, 1),
        ratio_p50=round(all_p50 / alone_p50, 2),
        ratio_p95=round(all_p95 / alone_p95, 2),
        memory_before_mib=round(memory[0], 1),
        memory_first_mib=round(memory[1], 1),
        memory_after_mib=round(memory[2], 1),
        errors=sorted({reply.error for reply in replies if reply.error})[:5],
    )
