"""A Chroma server that is silent rather than gone: later questions do not wait for it, and it is told once."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from chroma_process import ChromaProcess
from citewell import Assistant, cli, served
from citewell.chroma_server import ChromaServer
from citewell.chroma_wire import SILENT_SECONDS, _transport
from citewell.errors import ChromaServerError
from citewell.settings import Settings
from fakes import HashEmbedder, entries, paper, words_of

TIMEOUT = 4.0  # for a reply


class Relay:
    """Passes bytes on to a server; while it is silent it takes connections and bytes, and passes nothing on."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._passing = threading.Event()
        self._passing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._passing.clear()

    def speak(self) -> None:
        self._passing.set()

    def close(self) -> None:
        self._passing.set()
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._open += [here, there]
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(chroma: ChromaProcess) -> Iterator[Relay]:
    with closing(Relay(chroma.port)) as relay:
        yield relay


def settings_of(url: str, folder: Path) -> Settings:
    return Settings(
        chroma_url=url,
        chroma_collection=f"test-{uuid.uuid4().hex}",
        chroma_timeout=TIMEOUT,
        data_dir=folder,
    )


def test_later_questions_do_not_wait_for_a_server_that_is_silent(relay: Relay, tmp_path: Path) -> None:
    told: list[str] = []
    chosen = settings_of(relay.url, tmp_path).model_dump(exclude_unset=True)
    with Assistant.open(embedder=HashEmbedder(), notify=told.append, **chosen) as assistant:
        collection = assistant.collection
        assert isinstance(collection, served.ServedCollection)
        collection.ingest(entries([paper(number) for number in range(9)]))

        def ask(number: int) -> float:
            collection._look_at = 0.0  # as after some seconds
            started = time.monotonic()
            assert assistant.search(words_of(number))[0].paper_id == f"p{number}"
            return time.monotonic() - started

        ask(1)
        relay.fall_silent()
        assert TIMEOUT <= ask(2) < 2 * TIMEOUT
        assert max(ask(number) for number in (3, 4, 5)) < TIMEOUT / 2
        assert len(told) == 1 and f"does not answer within {TIMEOUT:g} s. Is it busy, or stopped?" in told[0]
        relay.speak()
        deadline = time.monotonic() + 60
        while len(told) == 1 and time.monotonic() < deadline:
            ask(6)
        assert "answers again" in told[1]


def test_the_system_ends_a_connection_whose_packets_are_lost(chroma: ChromaProcess, tmp_path: Path) -> None:
    with closing(ChromaServer(settings_of(chroma.url, tmp_path))) as server:
        seen: list[socket.socket] = []

        def look(reply: httpx.Response) -> None:
            seen.append(reply.extensions["network_stream"].get_extra_info("socket"))
            found = seen[0].getsockopt
            assert found(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert found(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1000
                idle = found(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                between = found(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
                assert idle + between * found(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) <= SILENT_SECONDS

        server.wire.api._session.event_hooks = {"response": [look]}
        server.version()
        assert seen


@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ReadError])
def test_silence_is_told_in_the_same_words_however_it_is_noticed(
    kind: type[httpx.TransportError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        # What a connection raises that the system gave up; Python makes it a TimeoutError.
        raise kind("timed out") from OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    with closing(ChromaServer(settings_of("http://127.0.0.1:9", tmp_path))) as chroma:
        monkeypatch.setattr(chroma.wire.api._session, "request", lose)
        with pytest.raises(ChromaServerError, match=r":9 does not answer\. Is it running, and reachable\?$"):
            chroma.state()


def test_through_a_proxy_of_the_environment_httpx_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert _transport("http://chroma.example:8000", verify=True) is None
    assert _transport("http://127.0.0.1:8000", verify=True) is not None


def test_a_writer_that_is_told_to_end_gives_its_lease_back(
    chroma: ChromaProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings_of(chroma.url, tmp_path)
    with closing(ChromaServer(chosen)) as writer, closing(ChromaServer(chosen)) as other:

        def write(options: object) -> int:
            with writer.lease():
                assert other.holder() is not None
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            return 0

        monkeypatch.setitem(cli.COMMANDS, "stats", replace(cli.COMMANDS["stats"], run=write))
        assert cli.main(["stats"]) == 128 + signal.SIGTERM
        assert other.holder() is None
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
