"""The command line: `citewell COMMAND`; `citewell --help` lists the commands.

Results go to stdout, everything else to stderr. Exit status: 0 done (an abstention is an answer), 1 a failed
answer, 2 bad usage, a broken set-up or unreadable input. Modules that take long to import are imported by the
commands that need them.

A command is an entry of a table, `COMMANDS` in `commands` (asking and reading) or in `maintenance` (changing the
collection's files): what it is for, the function that adds its options, and the function that runs it. `parsing`
makes the parser of the tables, `options` holds what several commands take, `output` how all of them print.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from citewell import commands as others
from citewell.cli import commands, maintenance
from citewell.cli.output import notify, paper_document
from citewell.cli.parsing import parse
from citewell.errors import CitewellError

__all__ = ["COMMANDS", "main", "paper_document"]

COMMANDS = {**commands.COMMANDS, **maintenance.COMMANDS}

_INTERRUPTED, _CLOSED_PIPE, _TERMINATED = 130, 141, 143  # 128 + the number of the signal, as shells do


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    _accept_any_text()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["eval"]:  # it has options of its own, and another package reads them
            run = others.load("eval", "pip install citewell.")
            return int(run(arguments[1:], notify))
        options = parse(arguments, COMMANDS)
        with _terminable(), _logged(options.command) as ended:
            ended.status = COMMANDS[options.command].run(options)
        sys.stdout.flush()
        return ended.status
    except SystemExit as stop:  # --help, --version and SIGTERM
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    except Exception as error:
        return _report(error, debug="--debug" in arguments)


@contextmanager
def _terminable() -> Iterator[None]:
    """Has SIGTERM end a command with all that it holds given back, as Ctrl-C does.

    Without this a writer would leave its lease on the server behind, and the first process of a container, which
    the kernel spares every signal that it does not handle, would go on until it is killed.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@dataclass
class _Ended:
    """How a command ended; one that raised has not set its status."""

    status: int = -1


@contextmanager
def _logged(command: str) -> Iterator[_Ended]:
    """Writes into the log, if there is one, that a command has ended, and how."""
    ended = _Ended()
    if not os.environ.get("CITEWELL_LOG"):  # so that nothing is imported for it
        yield ended
        return
    from citewell.observing import begin, logs
    from citewell.settings import load_settings

    begin(load_settings({}), notify)
    started = perf_counter()
    try:
        yield ended
    except BaseException as error:
        logs.event(
            "command", command=command, error=type(error).__name__, seconds=round(perf_counter() - started, 3)
        )
        raise
    logs.event("command", command=command, status=ended.status, seconds=round(perf_counter() - started, 3))


def _report(error: Exception, debug: bool) -> int:
    """Prints one line about the error; returns the exit status."""
    if debug:
        traceback.print_exception(error)
    message = str(error)
    if not isinstance(error, CitewellError):
        cure = "" if debug else " Run `citewell doctor`, or repeat with --debug to see where."
        message = f"{type(error).__name__}: {message}.{cure}"
    notify(message)
    if isinstance(error, OSError):  # a full disk, a file that may not be read
        return 2
    return error.exit_status if isinstance(error, CitewellError) else 1


def _accept_any_text() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
