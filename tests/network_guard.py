"""Refuses connections that leave this machine, in the test process and in every Python that it starts.

An audit hook sees what any Python socket does, whoever opened it, and the code under test cannot take it out.
Code may swallow the exception, so every attempt is also written to the file that `LOG_VARIABLE` names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

LOG_VARIABLE = "TEST_OUTSIDE_CONNECTIONS"
_BY_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_BY_NAME = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_DEAD_PROXY = ("127.0.0.1", 9)


class OutsideConnectionError(ConnectionError):
    """Something tried to reach another machine."""


def install() -> None:
    """Refuses outside connections in this process from now on; there is no way back."""
    sys.addaudithook(_refuse_outside)


def guard_children(environ: MutableMapping[str, str], log: str) -> None:
    """Makes Pythons started with `environ` import sitecustomize.py beside this file: it installs the guard.

    What does not use Python's sockets is sent to a proxy where nobody listens; a Python that turns to that
    proxy wanted to leave the machine, and is refused like any other.
    """
    environ[LOG_VARIABLE] = log
    inherited = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *([inherited] if inherited else [])])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        environ[name] = environ[name.lower()] = "http://{}:{}".format(*_DEAD_PROXY)
    environ["NO_PROXY"] = environ["no_proxy"] = "localhost,127.0.0.1,::1"


def take_attempts() -> list[str]:
    """Returns the attempts since the last call, of this process and its children, and forgets them."""
    log = os.environ[LOG_VARIABLE]
    if not os.path.exists(log):
        return []
    with open(log) as file:
        attempts = file.read().splitlines()
    os.remove(log)
    return attempts


def is_local(host: str) -> bool:
    """True for loopback and unspecified addresses and for `localhost`, which never leave the machine."""
    import ipaddress  # here, so that a guarded child starts no slower

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in {"", "localhost"}
    return address.is_loopback or address.is_unspecified


def _refuse_outside(event: str, args: tuple[object, ...]) -> None:
    host = _host(event, args)
    if host is None or is_local(host):
        return
    attempt = f"{event} to {host!r}"
    if log := os.environ.get(LOG_VARIABLE):
        with open(log, "a") as file:
            file.write(attempt + "\n")
    raise OutsideConnectionError(f"{attempt}: tests may not leave this machine")


def _host(event: str, args: tuple[object, ...]) -> str | None:
    """The host an audit event names; None for other events and for sockets that are not IP."""
    host: object = None
    if event in _BY_NAME:
        host = args[0]
    elif event in _BY_ADDRESS and isinstance(args[1], tuple):
        host = "a host behind the proxy" if args[1] == _DEAD_PROXY else args[1][0]
    if isinstance(host, bytes):
        return host.decode("ascii", "replace")
    return host if isinstance(host, str) else None
