"""The conversation on the terminal."""

from __future__ import annotations

import builtins
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from citewell import Assistant, Listing, Paper
from citewell.chat import (
    SAMPLE_QUESTIONS,
    WHAT_IT_IS,
    Chat,
    describe,
    example_questions,
    open_collection,
    run_chat,
)
from citewell.errors import CorpusError, UsageError
from citewell.sample import sample_path

BEES = "Forty hives were watched. Bees visit lavender twice as often as thyme. Rain keeps them in."
HONEY, ICE, TIDES = (
    "HoneyMap: tracing pollination with radar",
    "IceClock: dating glaciers",
    "Tides in the bay",
)
PAPERS = (
    Paper(HONEY, f"HoneyMap is a radar. {BEES}", "bees", (Listing("a", "Sep 4"),)),
    Paper(ICE, "IceClock dates ice from its bubbles of air.", "ice", (Listing("b", "Aug 19"),)),
    Paper(TIDES, "Tides in the bay were measured for ten years. Their mean range is 3.2 m.", "tides"),
)
ASKED = "Which plant do bees visit most often?"
SAMPLE_TITLES = ("FreeNoise", "Common Diffusion Noise", "XNOR-Net", "Fine-tuning Quantized")


@pytest.fixture(scope="module")
def assistant() -> Iterator[Assistant]:
    with Assistant.from_papers(PAPERS) as opened:
        yield opened


class Heard:
    """A chat with what it printed and what it complained about."""

    def __init__(self, assistant: Assistant) -> None:
        self.output = io.StringIO()
        self.notices: list[str] = []
        self.chat = Chat(assistant, self.output, self.notices.append)

    def after(self, *lines: str) -> str:
        """What the last of the lines makes it print."""
        for line in lines:
            before = len(self.output.getvalue())
            self.chat.take(line)
        return self.output.getvalue()[before:]


@pytest.fixture
def heard(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setenv("COLUMNS", "100")
    return Heard(assistant)


class Typed:
    """Stands for the keyboard: returns the lines, raises the errors among them, then ends."""

    def __init__(self, *typed: str | BaseException) -> None:
        self.typed = list(typed)

    def __call__(self, prompt: str = "") -> str:
        if not self.typed:
            raise EOFError
        item = self.typed.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item


# --- lines -----------------------------------------------------------------------------------------------


def test_a_question_is_answered_with_its_source(heard: Heard) -> None:
    printed = heard.after(ASKED)
    assert "1. Bees visit lavender twice as often as thyme. [1]" in printed
    assert re.search(
        r"^\[1\].* HoneyMap: tracing pollination with radar\n +a · Sep 4\n", printed, re.MULTILINE
    )
    assert heard.notices == []


@pytest.mark.parametrize("command", ["/open 1", "/open [1]", "/open  1 "])
def test_open_shows_the_abstract_of_a_source(heard: Heard, command: str) -> None:
    printed = heard.after(ASKED, command)
    assert printed.startswith(
        "HoneyMap: tracing pollination with radar\na · Sep 4\nbees\n\nHoneyMap is a radar."
    )
    assert printed.count("lavender") == 1


def test_papers_lists_the_nearest_and_open_shows_one_of_them(heard: Heard) -> None:
    listed = heard.after("/papers tides in the bay")
    assert re.match(r"1 0\.[5-9]\d Tides in the bay\n       tides\n2 0\.[0-2]\d ", listed)
    assert heard.after("/open 1").startswith("Tides in the bay\ntides\n")


def test_open_shows_the_nearest_papers_of_an_abstention(heard: Heard) -> None:
    assert "Nearest papers (not an answer):" in heard.after("How do I bake bread?")
    assert any(paper.abstract in " ".join(heard.after("/open 1").split()) for paper in PAPERS)


@pytest.mark.parametrize(
    "lines, told",
    [
        (["/open 1"], "Cannot open source '1': there is no source yet"),
        (["/papers tides", "/open 9"], "Cannot open source '9': there are 3 sources"),
        (["/papers tides", "/open"], "Cannot open source '': there are 3 sources"),
        (["/papers tides", "/open 0"], "Cannot open source '0'"),
        (["/papers tides", "/open -1"], "Cannot open source '-1'"),
        (["/papers tides", "/open x"], "Cannot open source 'x'"),
        (["/papers"], "empty"),
        (["/what"], "Unknown command /what. The commands are /open N, /papers QUERY, /new, /help, /quit."),
        (["x" * 5_000], "5,000 characters"),
    ],
)
def test_a_mistake_is_told_and_the_conversation_goes_on(
    heard: Heard, lines: Sequence[str], told: str
) -> None:
    assert heard.after(*lines) == ""
    assert len(heard.notices) == 1 and told in heard.notices[0]
    assert "lavender" in heard.after(ASKED)


def test_help_names_every_command(heard: Heard) -> None:
    printed = heard.after("/help")
    assert all(command in printed for command in ("/open N", "/papers QUERY", "/help", "/quit"))


@pytest.mark.parametrize("line, goes_on", [("/quit", False), (" /exit ", False), ("", True), ("   ", True)])
def test_only_quit_leaves(heard: Heard, line: str, goes_on: bool) -> None:
    assert heard.chat.take(line) is goes_on
    assert heard.output.getvalue() == ""


# --- piped -----------------------------------------------------------------------------------------------


def test_piped_lines_are_repeated_and_answered_until_they_end(heard: Heard) -> None:
    heard.chat.answer_lines([f"{ASKED}\n", "\n", "/what\n", "How long were tides measured?"])
    printed = heard.output.getvalue()
    assert printed.startswith(f"> {ASKED}\n1. ")
    assert "\n\n> /what\n" in printed and "> How long were tides measured?\n1. " in printed
    assert len(heard.notices) == 1


def test_piped_lines_end_at_quit(heard: Heard) -> None:
    heard.chat.answer_lines(["/quit", ASKED])
    assert heard.output.getvalue() == "> /quit\n"


# --- typed -----------------------------------------------------------------------------------------------


def converse(heard: Heard, monkeypatch: pytest.MonkeyPatch, *typed: str | BaseException) -> str:
    monkeypatch.setattr(builtins, "input", Typed(*typed))
    heard.chat.converse(["How long were tides measured?", ASKED])
    return heard.output.getvalue()


def test_it_greets_with_what_is_open_and_what_can_be_asked(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = converse(heard, monkeypatch)
    assert printed.startswith(f"{WHAT_IT_IS}\nOpen: the packaged sample, 3 papers · ")
    assert f"\n  1 How long were tides measured?\n  2 {ASKED}\n" in printed
    assert "/help" in printed


def test_the_number_of_an_example_asks_it(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Bees visit lavender" in converse(heard, monkeypatch, "2")


def test_a_number_that_is_no_example_is_a_question(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nearest papers (not an answer):" in converse(heard, monkeypatch, "7")


def test_control_c_drops_the_line_and_control_d_leaves(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Bees visit lavender" in converse(heard, monkeypatch, KeyboardInterrupt(), ASKED)
    typed = Typed(EOFError(), ASKED)
    monkeypatch.setattr(builtins, "input", typed)
    heard.chat.converse([ASKED])
    assert typed.typed == [ASKED]


def test_control_c_stops_an_answer(
    heard: Heard, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(question: str, history: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(assistant, "ask", interrupted)
        assert converse(heard, monkeypatch, ASKED).endswith("Stopped.\n")
    assert "lavender" in heard.after(ASKED)


# --- what is open ----------------------------------------------------------------------------------------


def test_a_collection_is_described_by_papers_listings_and_dates(assistant: Assistant) -> None:
    assert describe(assistant) == "3 papers · 2 listings · Aug 19 – Sep 4"


def test_dates_with_and_without_a_year_make_no_range() -> None:
    with Assistant.from_papers([Paper("T", "A b.")]) as opened:
        assert describe(opened) == "1 paper"
    papers = [Paper(f"T {d}", "A b.", listings=(Listing("p", d),)) for d in ("Aug 22", "2024-01-02", "soon")]
    with Assistant.from_papers(papers) as opened:
        assert describe(opened) == "3 papers · 1 listing"


def test_examples_are_made_from_titles_and_can_be_answered(assistant: Assistant) -> None:
    examples = example_questions(assistant)
    assert examples[:2] == ["What is HoneyMap?", "What is IceClock?"]
    assert not any(assistant.ask(question).abstained for question in examples)


# --- which collection ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory without a collection, in which the sample has been opened once."""
    path = tmp_path_factory.mktemp("home")
    opened, questions = open_collection(path, [], lambda message: None)
    opened.close()
    assert questions == SAMPLE_QUESTIONS
    return path


def test_the_sample_lies_in_a_folder_of_its_own(home: Path) -> None:
    assert [path.name for path in home.iterdir()] == ["sample"]


@pytest.mark.parametrize(
    "question, title",
    list(zip(SAMPLE_QUESTIONS, SAMPLE_TITLES, strict=True)),
)
def test_the_sample_answers_the_questions_it_is_offered_with(home: Path, question: str, title: str) -> None:
    with Assistant.open(home / "sample", create=False) as opened:
        answer = opened.ask(question)
    assert not answer.abstained
    assert answer.citations[0].title.startswith(title)


def test_piped_questions_are_answered_from_the_sample(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SAMPLE_QUESTIONS[2]}\n"))
    assert run_chat(home, [], lambda message: None) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"> {SAMPLE_QUESTIONS[2]}\n1. ")
    assert printed.err == ""


def write_corpus(path: Path) -> Path:
    path.write_text('{"title": "Old glass", "abstract": "Glass does not flow."}\nnonsense\n')
    return path


def test_files_are_read_into_the_data_directory_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "papers.jsonl")
    for told in ("1 added", "1 unchanged"):
        opened, questions = open_collection(tmp_path / "data", [corpus], lambda message: None)
        with opened:
            assert questions is None and opened.stats()["papers"] == 1
        error = capsys.readouterr().err
        assert "papers.jsonl:2: not JSON" in error and told in error
    again, questions = open_collection(tmp_path / "data", [], lambda message: None)
    with again:
        assert questions is None and again.stats()["papers"] == 1
    assert not (tmp_path / "data" / "sample").exists()


def test_unreadable_files_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(CorpusError):
        open_collection(tmp_path / "data", [tmp_path / "empty"], lambda message: None)
    with pytest.raises(UsageError):
        open_collection(tmp_path / "data", [tmp_path / "missing"], lambda message: None)


def test_the_sample_can_be_asked_while_another_chat_reads_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    with FileLock(home / "sample" / "write.lock"):
        opened, _ = open_collection(home, [], lambda message: None)
        with opened:
            assert opened.stats()["papers"] == len(sample_path().read_text().splitlines())
