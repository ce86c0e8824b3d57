"""Nothing leaves this machine: the guard that holds tests to it, and the path from papers to an answer."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

import network_guard
import pytest

OUTSIDE = "192.0.2.1"  # TEST-NET-1, RFC 5737: belongs to nobody

ASK_IN_A_FRESH_PROCESS = """
import os, socket

def refuse(*args, **kwargs):
    os.write(2, f"connection attempt: {args}".encode())
    os._exit(97)  # an exception could be swallowed

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse

from citewell import Assistant, Paper

assistant = Assistant.from_papers([
    Paper("Bees and lavender", "Forty hives were watched. Bees visit lavender twice as often as thyme."),
    Paper("Tides in the bay", "Tides in the bay were measured for ten years. The mean range is 3.2 m."),
    Paper("Old glass", "Panes of medieval glass were scanned. Glass does not flow at room temperature."),
])
answer = assistant.ask("Which plant do bees visit most often?")
assert not answer.abstained, answer.text
print(answer.citations[0].title)
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("family, address", [(socket.AF_INET, OUTSIDE), (socket.AF_INET6, "2001:db8::1")])
def test_connecting_to_another_machine_is_refused(family: socket.AddressFamily, address: str) -> None:
    with (
        socket.socket(family) as connection,
        pytest.raises(network_guard.OutsideConnectionError, match=address),
    ):
        connection.connect((address, 80))
    assert network_guard.take_attempts() == [f"socket.connect to {address!r}"]


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender, pytest.raises(network_guard.OutsideConnectionError):
        sender.sendto(b"x", (OUTSIDE, 53))
    assert len(network_guard.take_attempts()) == 1


def test_looking_up_another_machine_is_refused() -> None:
    with pytest.raises(network_guard.OutsideConnectionError):
        socket.getaddrinfo("example.org", 443)
    assert network_guard.take_attempts() == ["socket.getaddrinfo to 'example.org'"]


def test_an_attempt_in_a_subprocess_is_known_even_when_it_is_swallowed() -> None:
    code = f"import socket\ntry: socket.create_connection(({OUTSIDE!r}, 80))\nexcept OSError: pass"
    assert run_python(code).returncode == 0
    assert network_guard.take_attempts() == [f"socket.getaddrinfo to {OUTSIDE!r}"]


def test_a_client_that_honours_proxies_is_refused() -> None:
    with pytest.raises(OSError, match="behind the proxy"):
        urllib.request.urlopen("http://example.org", timeout=5)
    assert len(network_guard.take_attempts()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_allowed(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()


def test_a_name_that_begins_like_loopback_is_not_local() -> None:
    assert not network_guard.is_local("127.0.0.1.example.org")
    assert network_guard.is_local("127.8.9.1") and network_guard.is_local("::1")


def test_papers_become_an_answer_without_leaving_the_machine() -> None:
    asked = run_python(ASK_IN_A_FRESH_PROCESS)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == "Bees and lavender"
