"""The files of the page: its style, its script and its sign."""

from __future__ import annotations

from importlib.resources import files


def css() -> str:
    """Returns the style sheet of the page."""
    return _read("style.css") + _read("collection.css")


def script() -> str:
    """Returns the script that does in the browser what needs no server."""
    return _read("bridge.js")


def favicon() -> str:
    """Returns the sign of the page, as SVG."""
    return _read("favicon.svg")


def _read(name: str) -> str:
    return files("citewell_ui").joinpath("static", name).read_text(encoding="utf-8")
