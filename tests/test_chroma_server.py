"""Several processes and machines over one Chroma server: copies follow it, one writes, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from chroma_process import STRANGE, ChromaProcess, proxy
from chromadb.api.models.Collection import Collection as ChromaCollection
from citewell import Assistant, Listing, Paper
from citewell.chroma_generation import _TRIES
from citewell.chroma_server import LEASE_SECONDS, ChromaServer, Lease
from citewell.doctor import check_collection, check_server
from citewell.errors import ChromaServerError, CitewellError, CollectionBusyError, CollectionError, UsageError
from citewell.library import Replica
from citewell.served import ServedCollection
from citewell.settings import Settings
from citewell.trace import Trace
from fakes import HashEmbedder, entries, paper, words_of

PAPERS = [paper(number) for number in range(40)]


class Machine(Assistant):
    """An assistant on a machine of its own, with all that it told."""

    told: list[str]

    @property
    def served(self) -> ServedCollection:
        assert isinstance(self.collection, ServedCollection)
        return self.collection

    def look(self) -> None:
        """Looks at the server as after some seconds."""
        self.served._look_at = 0.0

    def ids(self, number: int, version: int = 0) -> list[str]:
        self.look()
        return [found.paper_id for found in self.search(words_of(number, version), k=3)]

    def add_all(self, *papers: Paper) -> None:
        self.collection.ingest(entries(papers))


Machines = Callable[..., Machine]


@pytest.fixture
def machines(chroma: ChromaProcess, tmp_path: Path) -> Iterator[Machines]:
    """Opens machines on one collection, each with a data directory of its own."""
    collection, opened = f"test-{uuid.uuid4().hex}", []

    def open_one(name: str, **settings: Any) -> Machine:
        told: list[str] = []
        chosen: dict[str, Any] = {"chroma_url": chroma.url, "chroma_collection": collection, **settings}
        embedder = chosen.pop("embedder", None) or HashEmbedder()
        machine = Machine.open(tmp_path / name, embedder=embedder, notify=told.append, **chosen)
        assert isinstance(machine, Machine)
        machine.told = told
        opened.append(machine)
        return machine

    yield open_one
    for machine in opened:
        machine.close()


def contents(machine: Machine) -> dict[int, tuple[str, str]]:
    """All that a library says of its papers, rows and identity keys included."""
    library = machine.collection.library
    rows = [stored.row for stored in library.iterate()]
    return Replica(library)._bodies(rows)


def answer(machine: Machine, question: str) -> dict[str, object]:
    machine.look()
    found = machine.ask(question).to_dict()
    return {name: value for name, value in found.items() if name not in ("timings", "answer_id")}


def test_a_copy_in_an_empty_folder_answers_just_as_the_writer_does(machines: Machines) -> None:
    writer = machines("a")
    writer.add_all(*PAPERS)
    reader = machines("b")
    for number in (3, 17, 39):
        question = f"What do we know of this: {words_of(number)}"
        assert answer(reader, question) == answer(writer, question)
    assert reader.collection.snapshot().generation is not None
    one, other = writer.collection, reader.collection
    held = one.passages(one.library.manifest())
    copied = other.passages(other.library.manifest())
    assert np.array_equal(held._matrix, copied._matrix)
    assert contents(reader) == contents(writer)
    assert reader.stats()["listings"] == writer.stats()["listings"]


def test_changes_of_every_kind_reach_an_open_copy(machines: Machines) -> None:
    writer, reader = machines("a"), machines("b")
    writer.add_all(*PAPERS)
    assert reader.ids(8)[0] == "p8"
    again = replace(PAPERS[5], year=2031, listings=(*PAPERS[5].listings, Listing("elsewhere.txt")))
    writer.add_all(paper(3, version=5), paper(70), again)
    writer.collection.remove(["p8", "p9"])
    assert reader.ids(70)[0] == "p70"
    assert reader.ids(3, version=5)[0] == "p3"
    assert "p8" not in reader.ids(8)
    assert reader.show("p5").year == 2031
    assert contents(reader) == contents(writer)
    generation = reader.collection.snapshot().generation
    assert generation is not None and generation.count() == 39  # what was replaced is gone
    reader.add_all(paper(80))
    assert writer.ids(80)[0] == "p80"
    assert contents(reader) == contents(writer)
    assert [machine.told for machine in (reader, writer)] == [[], []]


def test_one_writes_and_the_others_are_told_who(machines: Machines) -> None:
    writer, other = machines("a"), machines("b")
    writer.add_all(*PAPERS[:5])
    with writer.served.server.lease():
        with pytest.raises(CollectionBusyError, match=rf"process {os.getpid()} on .* since"):
            other.add_all(PAPERS[6])
        with pytest.raises(CollectionBusyError, match="being written to by process"):
            other.collection.check_writable()
        assert other.ids(3)[0] == "p3"
    other.add_all(PAPERS[6])
    assert writer.ids(6)[0] == "p6"


def test_a_writer_whose_heart_stopped_is_replaced_and_publishes_nothing(machines: Machines) -> None:
    writer, other = machines("a"), machines("b")
    writer.add_all(*PAPERS[:5])
    before = writer.served.server.state()
    now = writer.served.server._server_time()
    other.served.server._now = lambda: now + LEASE_SECONDS - 1
    lost = writer.served.server._acquire()
    with pytest.raises(CollectionBusyError):
        other.add_all(PAPERS[6])
    other.served.server._now = lambda: now + LEASE_SECONDS + 60
    other.add_all(PAPERS[6])
    after = other.served.server.state()
    assert after is not None and before is not None and after.papers == before.papers + 1
    with pytest.raises(CollectionBusyError, match="taken over by process"):
        lost.publish(before)
    with pytest.raises(CollectionBusyError, match="taken over by process"):
        lost.write(before)
    with closing(ChromaServer(writer.settings)) as fresh:
        assert fresh.state() == after


def test_what_a_killed_writer_left_is_swept(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, other = machines("a"), machines("b")
    writer.add_all(*PAPERS[:9])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Lease, "publish", die)
        writer.add_all(paper(2, version=3), PAPERS[20])
    assert other.ids(2)[0] == "p2" and "p20" not in other.ids(20)
    other.add_all(PAPERS[30])
    generation = other.collection.snapshot().generation
    assert generation is not None
    assert (generation.count(), generation._count("chunks")) == (10, 30)
    assert writer.ids(20)[0] == "p20"  # it lost nothing, and publishes with its next question
    assert other.ids(20)[0] == "p20" and other.ids(2, version=3)[0] == "p2"
    assert contents(other) == contents(writer)


def test_a_reply_that_comes_late_does_not_end_a_publication(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert, late = ChromaCollection.upsert, [httpx.ReadTimeout("late")] * (_TRIES - 1)

    def answer_late(*given: Any, **named: Any) -> None:
        upsert(*given, **named)
        if late:
            raise late.pop()

    monkeypatch.setattr(ChromaCollection, "upsert", answer_late)
    machines("a").add_all(*PAPERS[:9])
    assert not late and machines("b").ids(4)[0] == "p4"


def test_a_server_that_dies_during_ingest_and_questions_costs_nothing(
    machines: Machines, chroma: ChromaProcess
) -> None:
    reader = machines("b")
    first = machines("c")
    first.add_all(*PAPERS[:10])
    assert reader.ids(3)[0] == "p3"
    embedder = HashEmbedder(before=lambda _: chroma.kill())
    writer = machines("a", embedder=embedder)
    try:
        with pytest.raises(ChromaServerError, match="cannot be reached.*All papers read are kept"):
            writer.add_all(*PAPERS[10:20])
        embedder._before = None
        for _ in range(2):  # small collections are searched exactly meanwhile
            assert reader.ids(3)[0] == "p3" and writer.ids(15)[0] == "p15"
        assert len(reader.told) == 1 and "Until it is back, questions are answered from" in reader.told[0]
        with pytest.raises(ChromaServerError, match="cannot be reached"):
            reader.add_all(PAPERS[30])
    finally:
        chroma.start()
    writer.served.server._now = first.served.server._now = lambda: 4e9  # the dead lease is old by now
    first.add_all(PAPERS[35], replace(PAPERS[15], year=1999))
    embedded = embedder.embedded
    assert writer.ids(15)[0] == "p15"
    assert embedder.embedded == embedded
    assert reader.ids(19)[0] == "p19" and reader.ids(35)[0] == "p35"
    assert "answers again" in reader.told[1]
    first.look()
    assert first.ids(12)[0] == "p12"
    assert contents(writer) == contents(reader) == contents(first)
    assert writer.collection.library.manifest().papers == 21


_KILLED = """
import os, signal, sys
from citewell import Assistant, chroma_generation
from citewell.library import Replica
from fakes import HashEmbedder
chroma_generation._PULLED = 10
apply = Replica.apply
def dying(self, records, position, recipe):
    apply(self, records, position, recipe)
    if position >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
Replica.apply = dying
Assistant.open(sys.argv[1], embedder=HashEmbedder(), chroma_url=sys.argv[2], chroma_collection=sys.argv[3])
"""


def test_a_copy_killed_while_it_is_made_goes_on_where_it_stopped(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = machines("a")
    writer.add_all(*PAPERS)
    arguments = [str(tmp_path / "b"), writer.settings.chroma_url or "", writer.settings.chroma_collection]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), *sys.path)))
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments], env={**os.environ, "PYTHONPATH": path}, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    taken: list[int] = []
    apply = Replica.apply
    monkeypatch.setattr(Replica, "apply", lambda *given: (taken.append(len(given[1])), apply(*given))[1])
    reader = machines("b")
    assert sum(taken) == 20
    assert contents(reader) == contents(writer)


def test_a_server_that_lost_records_is_told_and_mended(machines: Machines) -> None:
    writer = machines("a")
    writer.add_all(*PAPERS[:9])
    held = writer.served.server.state()
    assert held is not None
    part = writer.served.server.collection(f"{writer.served.server.name}.{held.generation}.abstracts")
    part.delete(ids=[part.get(limit=1)["ids"][0]])
    reader = machines("b")
    assert "is not what its writer published" in reader.told[0]
    with pytest.raises(CollectionError, match="is not what its writer published"):
        reader.add_all(PAPERS[20])
    index = {check.name: check for check in check_collection(writer.settings)}["vector index"]
    assert index.verdict == "fail" and "--rebuild" in index.cure
    writer.collection.rebuild()
    assert reader.ids(0)[0] == "p0"
    assert contents(reader) == contents(writer)


def test_a_new_server_is_filled_again_and_merges_what_copies_hold(machines: Machines) -> None:
    writer, other = machines("a"), machines("b")
    writer.add_all(*PAPERS[:9])
    assert other.ids(3)[0] == "p3"
    writer.add_all(PAPERS[20])
    server = writer.served.server
    for name in server.names(f"{server.name}."):
        server.delete(name)
    assert other.ids(3)[0] == "p3"  # the older copy comes first
    assert other.served.server.state() is not None
    assert writer.ids(20)[0] == "p20"
    assert other.ids(20)[0] == "p20"
    assert {body for body, _ in contents(other).values()} == {f"p{n}" for n in (*range(9), 20)}


def test_another_embedding_is_refused_until_everybody_is_moved(machines: Machines) -> None:
    writer = machines("a")
    writer.add_all(*PAPERS[:9])
    other = machines("b", embedder=HashEmbedder(salt="new"))
    with pytest.raises(CollectionError, match="was made with given:HashEmbedder .*doctor --rebuild"):
        other.add_all(PAPERS[20])
    other.collection.rebuild()
    assert other.ids(3)[0] == "p3"
    third = machines("c", embedder=HashEmbedder(salt="new"))
    assert third.ids(3)[0] == "p3"
    assert third.collection.library.manifest().fingerprint.startswith("hash-32-new")


def test_a_header_opens_the_door_and_is_told_to_nobody(
    machines: Machines, chroma: ChromaProcess, tmp_path: Path
) -> None:
    secret = "Bearer 8f2c-made-up"
    (tmp_path / "headers.txt").write_text(f"Authorization: {secret}\n\n")
    with proxy(chroma.port, "authorization", secret) as url:
        shut = machines("a", chroma_url=url)
        assert "refuses access (status 401)" in shut.told[0]
        opened = machines("b", chroma_url=url, chroma_headers_file=tmp_path / "headers.txt")
        opened.add_all(*PAPERS[:9])
        third = machines("c", chroma_url=url, chroma_headers=f"Authorization: {secret}")
        assert third.ids(3)[0] == "p3"
        trace = Trace(third.settings)
        third.ask(words_of(3), recorder=trace)
        for shown in (json.dumps(trace.__dict__, default=str), repr(third.settings), *shut.told):
            assert "made-up" not in shown
        wrong = machines("d", chroma_url=url, chroma_headers="Authorization: Bearer wrong")
        assert "Give the header it wants" in wrong.told[0] and "wrong" not in wrong.told[0]


@pytest.mark.parametrize(
    "place, told",
    [
        ("html", "is no Chroma server with API v2: it replies with text/html"),
        ("old", "Not Found|cannot be read|no Chroma server"),
        ("forbidden", r"refuses access \(status 403\)"),
        ("gateway", r"cannot be reached through its proxy \(status 502\)"),
        ("moved", "sends to https://elsewhere.example/. Set CITEWELL_CHROMA_URL"),
        ("number", "Is it a Chroma server"),
        ("broken", "Is it a Chroma server"),
    ],
)
def test_what_is_no_chroma_server_is_told_in_one_line(place: str, told: str, chroma: ChromaProcess) -> None:
    assert place in STRANGE
    with proxy(chroma.port, "x", "y") as url:
        check = check_server(Settings(chroma_url=f"{url}/strange/{place}"))
    assert check.verdict == "fail" and "\n" not in check.detail
    assert re.search(told, check.detail)


@pytest.mark.parametrize(
    "settings, error, told",
    [
        ({"chroma_url": "chroma:8000"}, UsageError, "Write it as http://HOST:8000"),
        ({"chroma_url": "http://"}, UsageError, "is no address"),
        ({"chroma_url": "http://me:secret@chroma:8000"}, UsageError, "Send it as a header"),
        ({"chroma_headers": "Authorization Bearer x"}, UsageError, "Line 1 of the headers"),
        ({"chroma_headers_file": Path("missing.txt")}, UsageError, "missing.txt cannot be read"),
        ({"chroma_ca": Path("missing.pem")}, UsageError, "missing.pem cannot be used"),
        ({"chroma_url": "https://127.0.0.1:{port}"}, ChromaServerError, "fails at TLS"),
        ({"chroma_url": "http://127.0.0.1:1"}, ChromaServerError, "cannot be reached: .*refused"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(
    settings: dict[str, Any], error: type[CitewellError], told: str, chroma: ChromaProcess
) -> None:
    chosen = {"chroma_url": chroma.url, **settings}
    chosen["chroma_url"] = chosen["chroma_url"].format(port=chroma.port)
    one = ChromaServer(Settings(**chosen))
    try:
        with pytest.raises(error, match=told) as raised:
            one.version()
    finally:
        one.close()
    assert "\n" not in str(raised.value) and "secret" not in str(raised.value)


def test_doctor_names_the_server_what_it_holds_and_who_writes(machines: Machines, tmp_path: Path) -> None:
    writer = machines("a")
    writer.add_all(*PAPERS[:9])
    checks = {check.name: check for check in check_collection(writer.settings)}
    assert {check.verdict for check in checks.values()} == {"ok"}
    assert "holds 9 papers; nobody is writing" in checks["chroma server"].detail
    assert "holds all 9 papers, finds 9 of 9" in checks["vector index"].detail
    with writer.served.server.lease():
        assert f"process {os.getpid()} on" in check_server(writer.settings).detail
    empty = writer.settings.model_copy(update={"data_dir": tmp_path / "none"})
    assert [check.verdict for check in check_collection(empty)] == ["ok", "warn"]
    assert not (tmp_path / "none").exists()
