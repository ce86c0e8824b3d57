"""Hosts made of Linux namespaces: each has its own address, name, processes, /tmp, /dev/shm and home. Takes root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_SUBNET = "10.77.0"
_LIMIT_SECONDS = 1200.0  # for a command
_BOOT = """hostname "$0" && mount --make-rprivate / && mount -t tmpfs tmpfs /tmp && mkdir /tmp/home &&
mount -t tmpfs -o size=400m tmpfs /dev/shm && touch /tmp/booted && exec sleep infinity"""


class Host:
    """One host; `boot` starts it and `kill` ends it with all its processes.

    Args:
        name: its name.
        number: the last part of its address.
        net: the network namespace of the bridge.
        pythonpath: what its Pythons import from.
        niceness: of all its processes.
    """

    def __init__(self, name: str, number: int, net: str, pythonpath: str, niceness: int) -> None:
        self.name = name
        self.address = f"{_SUBNET}.{number}"
        self._port = f"v{number}"
        self._net = net
        self._own = f"{net}-{name}"
        self._niceness = niceness
        self.environment = {
            "HOME": "/tmp/home",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": pythonpath,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
        }
        _ip("netns", "add", self._own)
        _ip(
            "link",
            "add",
            self._port,
            "netns",
            net,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self._own,
        )
        _ip("-n", net, "link", "set", self._port, "master", "br0", "up")
        _ip("-n", self._own, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self._own, "link", "set", "eth0", "up")
        _ip("-n", self._own, "link", "set", "lo", "up")
        self.boot()

    def boot(self) -> None:
        """Starts it, with an empty /tmp and /dev/shm."""
        self._unshare = subprocess.Popen(
            [
                *("ip", "netns", "exec", self._own, "unshare", "-u", "-m", "-p", "-f", "--mount-proc"),
                *("--kill-child", "nice", "-n", str(self._niceness), "sh", "-c", _BOOT, self.name),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # one remark when it is killed
            start_new_session=True,
        )
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        for _ in range(600):
            if (found := children.read_text().split()) and Path(f"/proc/{found[0]}/root/tmp/booted").exists():
                self._init = found[0]
                return
            time.sleep(0.05)
        raise TimeoutError(f"{self.name} did not start")

    def run(self, *command: str, **environment: str) -> tuple[int, str, str]:
        """Runs a command to its end; returns its status, stdout and stderr."""
        started = self.start(*command, **environment)
        out, err = started.communicate(timeout=_LIMIT_SECONDS)
        return started.returncode, out, err

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a command."""
        return subprocess.Popen(
            [*self._inside("-n", "-u", "-p"), "nice", "-n", str(self._niceness), *command],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self, *names: str) -> None:
        """Ends all processes at once, or those whose command line holds one of the names."""
        if names:
            for process in self._processes():
                if any(name in Path(f"/proc/{process}/cmdline").read_text() for name in names):
                    os.kill(process, 9)
            return
        if self._unshare.poll() is None:
            os.kill(int(self._init), 9)
            self._unshare.wait()

    def cable(self, state: str) -> None:
        """Plugs its network in (`up`) or out (`down`)."""
        _ip("-n", self._net, "link", "set", self._port, state)

    def drop_packets_to(self, other: Host) -> None:
        """Answers nothing that comes from another host, as a firewall that drops packets does."""
        _ip("-n", self._own, "route", "add", "blackhole", other.address)

    def answer(self, other: Host) -> None:
        """Ends that."""
        _ip("-n", self._own, "route", "del", "blackhole", other.address)

    def put_over(self, source: Path, folder: Path) -> None:
        """Shows one folder in the place of another, on this host only, until it is booted again."""
        subprocess.run([*self._inside(), "mount", "--bind", str(source), str(folder)], check=True)

    def remove(self) -> None:
        """Ends it for good."""
        self.kill()
        _ip("netns", "del", self._own)

    def _processes(self) -> list[int]:
        """Returns the ids of its processes as they are outside of it."""
        own = os.readlink(f"/proc/{self._init}/ns/pid")
        found = []
        for process in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # it has ended meanwhile
                if os.readlink(f"/proc/{process}/ns/pid") == own:
                    found.append(int(process))
        return found

    def _inside(self, *more: str) -> Sequence[str]:
        return ["nsenter", "-t", self._init, "-m", *more]


class Network:
    """A bridge with hosts; leaving the block removes all."""

    def __init__(self, names: Sequence[str], pythonpath: str, niceness: int) -> None:
        self._net = f"citewell-{os.getpid()}"
        self.hosts: dict[str, Host] = {}
        _ip("netns", "add", self._net)
        try:
            _ip("-n", self._net, "link", "add", "br0", "type", "bridge")
            _ip("-n", self._net, "link", "set", "br0", "up")
            for number, name in enumerate(names, 1):
                self.hosts[name] = Host(name, number, self._net, pythonpath, niceness)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Ends all hosts and the network."""
        for host in self.hosts.values():
            host.remove()
        _ip("netns", "del", self._net)

    def __enter__(self) -> dict[str, Host]:
        return self.hosts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
