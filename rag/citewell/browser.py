"""The command `citewell chat`: its options, and the way to the browser chat, which another package brings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from citewell import commands
from citewell.errors import UsageError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what only `chat` takes."""
    parser.add_argument(
        "--corpus", metavar="PATH", nargs="+", type=Path, action="extend", default=[], help="read these first"
    )
    parser.add_argument("--terminal", action="store_true", help="chat here instead of in the browser")
    group = parser.add_argument_group("browser")
    group.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)"
    )
    group.add_argument("--port", type=int, help="port to listen on (7860, or the next free one)")
    group.add_argument(
        "--password-file", type=Path, metavar="FILE", help="needed where others reach the server"
    )
    group.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="answer under this name too"
    )
    group.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy says who calls, in X-Forwarded-For; only where nobody else reaches the server",
    )
    group.add_argument("--no-browser", action="store_true", help="only print the address")


def chat(options: argparse.Namespace, notify: Callable[[str], None]) -> int:
    """Chats in the browser, or on the terminal with --terminal; returns the exit status.

    Raises:
        MissingExtraError: the packages of the browser chat are not installed.
        CitewellError: no collection can be opened, or an option does not fit.
    """
    if "json" in options:
        raise UsageError("A chat does not print JSON. Use `citewell ask QUESTION --json`.")
    data_dir, named = getattr(options, "data_dir", None), {"llm": options.llm, "verify": options.verify}
    if options.terminal:
        from citewell.chat import run_chat

        return run_chat(data_dir, options.corpus, notify, **named)
    run = commands.load("chat", "pip install 'citewell[ui]', or chat here with --terminal.")
    status: int = run(
        data_dir,
        options.corpus,
        notify,
        address=options.host,
        port=options.port,
        password_file=options.password_file,
        names=options.allow_host,
        behind_proxy=options.behind_proxy,
        browser=not options.no_browser,
        **named,
    )
    return status
