"""A disk whose power can be cut: it forgets what it was not told to keep, as a disk with a cache of its own may.

The kernel's FUSE shows it as one file, a loop device makes a disk of that file, and a real file system is made on it.
So every write and every flush of the file system comes by here. What was written before the last flush is kept; of
each sector of 512 bytes that was written after it, a cut keeps all, nothing or some, in any order. What the kernel had
not written yet, as most of what no program has had synced, is lost with the memory of the machine.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import re
import select
import shutil
import stat
import struct
import subprocess
import sys
from contextlib import suppress
from mmap import mmap
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

SIZE = 320 * 2**20  # bytes; XFS wants 300 MiB
MAKERS = {
    "ext4": "mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 -N 4096 -J size=8".split(),
    "xfs": "mkfs.xfs -q -f".split(),
}
_MAY_MOUNT = 1 << 21  # CAP_SYS_ADMIN
_SECTOR = 512  # bytes: what a disk writes as a whole or not at all
_ROOM = 2**20  # bytes of the largest write
_KEPT = (1.0, 0.0, 0.25, 0.75)  # shares of sectors written since the last flush that a cut keeps

# From linux/fuse.h: what the kernel asks, and the layout of questions and answers.
_FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS = 2, 3, 4, 14, 15, 16, 17
_RELEASE, _FSYNC, _FLUSH, _INIT, _ACCESS, _INTERRUPT, _DESTROY, _FORGET_MANY = 18, 20, 25, 26, 34, 36, 38, 42
_SILENT = (_FORGET, _INTERRUPT, _FORGET_MANY)  # questions without an answer
_ASKED = struct.Struct("<IIQQIIII")
_ANSWERED = struct.Struct("<IiQ")
_AT = struct.Struct("<QQIIQII")  # where to read and write
_SYNCED = struct.Struct("<Q")
_OPENED = struct.Struct("<QII")
_ATTRIBUTES = struct.Struct("<QII6Q10I")
_BEGUN = struct.Struct("<4I2H2I2H8I")
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_DIRECT = 1  # past the page cache of the file, for the disk has one


def lacking(kind: str) -> str:
    """Returns what is lacking here to cut the power of a file system; nothing if that can be done."""
    status = Path("/proc/self/status").read_text() if sys.platform == "linux" else ""
    rights = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    if rights is None or not int(rights[1], 16) & _MAY_MOUNT:
        return "mounting takes root on Linux"
    devices = [name for name in ("/dev/fuse", "/dev/loop-control") if not os.path.exists(name)]
    programs = [name for name in ("losetup", MAKERS[kind][0]) if shutil.which(name) is None]
    known = kind in Path("/proc/filesystems").read_text().split()
    missing = [*devices, *programs, *([] if known else [f"{kind} in the kernel"])]
    return f"there is no {missing[0]}" if missing else ""


class Medium:
    """The bytes of a disk: as they are now, and as they are if the power is cut now."""

    def __init__(self, size: int) -> None:
        self._now, self._safe = mmap(-1, size), mmap(-1, size)
        self._since: list[tuple[int, bytes]] = []  # writes since the last flush, or since the cut
        self._is_cut = False

    def read(self, start: int, size: int) -> bytes:
        """Returns bytes as they are now."""
        return self._now[start : start + size]

    def write(self, start: int, data: bytes) -> None:
        """Takes whole sectors into its cache."""
        self._now[start : start + len(data)] = data
        self._since.append((start, data))

    def flush(self) -> None:
        """Makes what was written safe, unless the power is cut."""
        if self._is_cut:
            return
        for start, data in self._since:
            self._safe[start : start + len(data)] = data
        self._since.clear()

    def cut(self, share: float, dice: random.Random) -> int:
        """Cuts the power: nothing becomes safe any more but a share of the sectors in the cache.

        It goes on as if nothing had happened until it is restarted. Returns the sectors that it forgets.
        """
        forgotten = 0
        for start, data in self._since:
            for at in range(0, len(data), _SECTOR):
                if dice.random() < share:
                    self._safe[start + at : start + at + _SECTOR] = data[at : at + _SECTOR]
                else:
                    forgotten += 1
        self._is_cut = True
        return forgotten

    def restart(self) -> None:
        """Shows what a cut has left."""
        for start, data in self._since:
            self._now[start : start + len(data)] = self._safe[start : start + len(data)]
        self._since.clear()
        self._is_cut = False


class Server:
    """Answers what the kernel asks about the file of a medium.

    A file system may outlive its unmounting, in a container that began meanwhile. So only who has opened the file
    since the last restart has anything to do with the medium.
    """

    def __init__(self, medium: Medium, size: int) -> None:
        self._medium, self._fixed = medium, _fixed(size)
        self._session = 0

    def restart(self) -> None:
        """Shows what a cut has left, to those who open the file from now on."""
        self._medium.restart()
        self._session += 1

    def answer(self, question: bytes) -> bytes | None:
        """Returns the answer to a question; None where none is wanted."""
        _, asked, number, *_ = _ASKED.unpack_from(question)
        if asked in _SILENT:
            return None
        try:
            body, error = self._body(asked, question[_ASKED.size :]), 0
        except OSError as refused:
            body, error = b"", -int(refused.errno or errno.EIO)
        return _ANSWERED.pack(_ANSWERED.size + len(body), error, number) + body

    def _body(self, asked: int, body: bytes) -> bytes:
        if asked == _OPEN:
            return _OPENED.pack(self._session, _DIRECT, 0)
        if asked in (_READ, _WRITE, _FSYNC):
            return self._transfer(asked, body)
        if asked not in self._fixed:
            raise OSError(errno.ENOSYS, "not needed")
        return self._fixed[asked]

    def _transfer(self, asked: int, body: bytes) -> bytes:
        session, start, size = (
            _AT.unpack_from(body)[:3] if asked != _FSYNC else (*_SYNCED.unpack_from(body), 0, 0)
        )
        if session != self._session:
            raise OSError(errno.EIO, "the power was cut")
        if asked == _READ:
            return self._medium.read(start, size)
        if asked == _WRITE:
            self._medium.write(start, body[_AT.size : _AT.size + size])
            return struct.pack("<II", size, 0)
        self._medium.flush()
        return b""


def _fixed(size: int) -> dict[int, bytes]:
    """Returns the answers that are always the same."""
    times, owner, blocks = (0,) * 6, (0, 0), size // _SECTOR
    attributes = _ATTRIBUTES.pack(
        1, 0, 0, 1, size, blocks, *times, stat.S_IFREG | 0o600, 1, *owner, 0, 4096, 0
    )
    return {
        _INIT: _BEGUN.pack(7, 31, 2**17, _BIG_WRITES | _MAX_PAGES, 16, 12, _ROOM, 1, _ROOM // 4096, *[0] * 9),
        _GETATTR: attributes,
        _SETATTR: attributes,
        _STATFS: struct.pack("<5Q4I24x", 0, 0, 0, 1, 0, 4096, 255, 4096, 0),
        **dict.fromkeys((_RELEASE, _FLUSH, _ACCESS, _DESTROY), b""),
    }


def serve_disk(commands: Connection, place: Path, size: int, seed: int) -> None:
    """Shows a disk as a file until there are no more commands.

    Args:
        commands: takes `cut` and `restart`, and replies with a number.
        place: the file, which exists.
        size: bytes.
        seed: draws what a cut keeps.
    """
    medium, dice = Medium(size), random.Random(seed)
    server = Server(medium, size)
    kernel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={kernel},rootmode={stat.S_IFREG | 0o600:o},user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"power", os.fsencode(place), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"cannot mount {place}")
    commands.send(0)
    with suppress(EOFError, OSError):  # nobody has any more commands, or the file is unmounted
        while True:
            for ready in select.select([kernel, commands.fileno()], [], [])[0]:
                if ready == kernel:
                    if (answer := server.answer(os.read(kernel, _ROOM + 2**16))) is not None:
                        os.write(kernel, answer)
                elif commands.recv() == "cut":
                    commands.send(medium.cut(dice.choice(_KEPT), dice))
                else:
                    server.restart()
                    commands.send(0)


class Disk:
    """A mounted file system on a disk whose power can be cut. Takes root.

    Args:
        folder: where it is mounted, in `disk`.
        kind: one of `MAKERS`.
        context: starts the process that holds the bytes.
        seed: draws what a cut keeps.

    Raises:
        RuntimeError: it cannot be mounted here.
    """

    def __init__(self, folder: Path, kind: str, context: ForkServerContext, seed: int) -> None:
        if missing := lacking(kind):
            raise RuntimeError(f"The power of {kind} cannot be cut here: {missing}.")
        self.path = folder / "disk"
        self.path.mkdir()
        self._place = folder / "medium"
        self._place.touch()
        self._kind = kind
        self._commands, theirs = context.Pipe()
        self._process = context.Process(target=serve_disk, args=(theirs, self._place, SIZE, seed))
        self._process.start()
        theirs.close()
        self._commands.recv()
        self._loop = ""
        self._plug(fresh=True)

    def cut(self) -> int:
        """Cuts the power; returns how many sectors the disk forgets of what it had in its cache."""
        self._commands.send("cut")
        return int(self._commands.recv())

    def restart(self) -> None:
        """Mounts what a cut has left; nobody may use the disk any more."""
        self._unplug()
        self._commands.send("restart")
        self._commands.recv()
        self._plug()

    def close(self) -> None:
        """Unmounts everything."""
        with suppress(subprocess.CalledProcessError):
            self._unplug()
        _run("umount", "--lazy", self._place)
        self._commands.close()
        self._process.join()
        self._process.close()

    def _plug(self, fresh: bool = False) -> None:
        self._loop = _run("losetup", "--find", "--show", self._place)
        if fresh:
            _run(*MAKERS[self._kind], self._loop)
        # Where the file system has outlived its unmounting, XFS would refuse a second one of the same name.
        _run(
            "mount",
            "-t",
            self._kind,
            *(("-o", "nouuid") if self._kind == "xfs" else ()),
            self._loop,
            self.path,
        )

    def _unplug(self) -> None:
        _run("umount", self.path)
        _run("losetup", "--detach", self._loop)


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
