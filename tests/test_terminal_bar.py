"""The progress bar of an ingest: on a terminal only."""

from __future__ import annotations

import io

import pytest
from citewell.terminal import IngestBar


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def use(bar: IngestBar) -> None:
    with bar:
        bar.start("reading and embedding", 1000)
        bar.advance(500)
        bar.papers(64)
        bar.start("indexing", 0)
        bar.advance(1)


def test_the_bar_shows_stage_percent_papers_and_rate_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with IngestBar(screen) as bar:
        bar.start("reading and embedding", 1000)
        bar.advance(500)
        bar.papers(64)
    text = screen.getvalue()
    assert "reading and embedding" in text and "50%" in text and "64 papers, " in text and "/s" in text


def test_the_bar_goes_from_stage_to_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    use(IngestBar(screen))
    assert "indexing" in screen.getvalue()


def test_the_bar_prints_nothing_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    use(IngestBar(stream))
    assert stream.getvalue() == ""


def test_the_bar_can_be_told_of_progress_before_it_is_opened_and_after_it_is_closed() -> None:
    bar = IngestBar(Screen())
    bar.start("reading", 1)
    bar.advance(1)
    bar.papers(1)
    with bar:
        bar.advance(1)
        bar.papers(1)
    bar.advance(1)
