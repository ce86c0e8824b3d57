"""The command line, in this process and as a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from citewell import Assistant, cli

EVIL = "\x1b]0;owned\x07\x1b[2Jevil\u202e\x9b"
RECORDS: list[dict[str, object]] = [
    {
        "title": "HoneyMap: tracing pollination with radar",
        "abstract": "Forty hives were watched. Bees visit lavender twice as often as thyme.",
        "authors": ["Ana Díaz", "Bo Li"],
        "year": 2021,
        "url": "https://example.org/bees",
        "doi": "10.1000/bees",
        "categories": ["q-bio.PE"],
        "source": "page 000",
        "date": "Aug 22",
    },
    {
        "title": "Tides in the bay",
        "abstract": "Tides in the bay were measured for ten years. The mean range of the tide is 3.2 m.",
        "authors": ["Cy Young"],
        "year": 2015,
        "categories": ["physics.ao-ph"],
        "source": "page 001",
        "date": "Sep 4",
    },
    {
        "title": f"Glass [does] not flow {EVIL}",
        "abstract": f"Panes of medieval glass were scanned. {EVIL} Glass does not flow at room temperature.",
        "source": "page 001",
    },
]
ASK_KEYS = {
    "question", "standalone_question", "text", "abstained", "abstention", "sentences", "citations",
    "rejected", "incomplete", "error", "notice", "coverage", "confidence", "engine", "usage", "timings",
}  # fmt: skip


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_it(*argv: object) -> Ran:
        status = cli.main([str(argument) for argument in argv])
        return Ran(status, *capsys.readouterr())

    return run_it


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "papers.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


@pytest.fixture(scope="module")
def data_dir(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    with Assistant.open(path) as assistant:
        assistant.ingest([corpus])
    return path


# --- ingest ----------------------------------------------------------------------------------------------


def test_ingest_is_told_in_one_line_then_changes_nothing(run: Run, corpus: Path, tmp_path: Path) -> None:
    first = run("ingest", corpus, "--data-dir", tmp_path / "new")
    assert (first.status, first.err) == (0, "")
    assert re.fullmatch(
        r"Read 3 entries of 3 papers: 3 added, in [\d.]+ s\. Collection: .*\n", first.out.replace("\n/", " /")
    )
    again = run("ingest", corpus, "--data-dir", tmp_path / "new", "--json")
    assert (again.status, again.err) == (0, "")
    assert again.json == {
        "entries": 3, "papers": 3, "added": 0, "updated": 0, "unchanged": 3, "duplicates": 0, "embedded": 0,
        "rejected": [], "seconds": again.json["seconds"],
    }  # fmt: skip


def test_what_is_rejected_is_listed_and_the_rest_is_kept(run: Run, tmp_path: Path) -> None:
    lines = ["nonsense" if n % 2 else json.dumps({"title": f"T {n}", "abstract": "A b."}) for n in range(50)]
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(lines))
    ran = run("ingest", path, "--data-dir", tmp_path / "new", "--json")
    assert (ran.status, ran.json["added"], len(ran.json["rejected"])) == (0, 25, 25)
    told = ran.err.splitlines()
    assert len(told) == 21
    assert told[0].startswith(f"{path}:2: not JSON")
    assert told[-1] == "… and 5 more"


def test_nothing_readable_is_an_error_that_still_reports(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    ran = run("ingest", tmp_path / "empty.txt", "--data-dir", tmp_path / "new", "--json")
    assert ran.status == 2
    assert ran.json["entries"] == 0
    assert [item["reason"] for item in ran.json["rejected"]] == ["empty file"]
    assert ran.err.splitlines()[0] == f"{tmp_path}/empty.txt: empty file"
    assert ran.err.splitlines()[-1].startswith("citewell: Nothing could be read")


def test_a_mistyped_path_leaves_no_collection_behind(run: Run, tmp_path: Path) -> None:
    ran = run("ingest", tmp_path / "nothing", "--data-dir", tmp_path / "new")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("citewell: No such file or folder")
    assert not (tmp_path / "new").exists()


# --- ask and search --------------------------------------------------------------------------------------


def test_an_answer_shows_sentences_sources_and_coverage(run: Run, data_dir: Path) -> None:
    ran = run("ask", "Which plant do bees visit most often?", "--data-dir", data_dir)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert "1. Bees visit lavender twice as often as thyme. [1]" in lines
    assert any(re.fullmatch(r"\[1\].* HoneyMap: tracing pollination with radar", line) for line in lines)
    assert "page 000 · Aug 22" in [line.strip() for line in lines]
    assert any(re.fullmatch(r"3 abstracts → \d matched → \d read → \d cited", line) for line in lines)


def test_the_json_of_an_answer_quotes_the_abstract_that_show_prints(run: Run, data_dir: Path) -> None:
    answer = run("ask", "Which plant do bees visit most often?", "--json", "--data-dir", data_dir).json
    assert set(answer) == ASK_KEYS
    assert answer["abstained"] is False and answer["sentences"]
    numbers = [citation["number"] for citation in answer["citations"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for citation in answer["citations"]:
        paper = run("show", citation["paper_id"], "--json", "--data-dir", data_dir).json
        assert paper["abstract"][citation["start"] : citation["end"]] == citation["quote"]


def test_an_abstention_is_an_answer(run: Run, data_dir: Path) -> None:
    ran = run("ask", "How do I bake bread?", "--data-dir", data_dir)
    assert (ran.status, ran.err) == (0, "")
    assert "Nearest papers (not an answer):" in ran.out
    document = run("ask", "How do I bake bread?", "--data-dir", data_dir, "--json").json
    assert document["abstained"] is True and document["abstention"]["kind"] == "nothing_relevant"


def test_words_need_no_quotation_marks(run: Run, data_dir: Path) -> None:
    ran = run("ask", "Which", "plant", "do", "bees", "visit?", "--json", "--data-dir", data_dir)
    assert ran.json["question"] == "Which plant do bees visit?"


@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_dash_reads_the_question_from_stdin(
    run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO("tides\nin the báy \udcff".encode(errors="replace")))
    )
    ran = run(command, "-", "--data-dir", data_dir, "--json")
    assert ran.status == 0
    assert ran.json.get("question", ran.json.get("query")) == "tides\nin the báy ?"


def test_the_quotes_engine_may_be_named(run: Run, data_dir: Path) -> None:
    ran = run("ask", "Which plant do bees visit?", "--llm", "quotes", "--data-dir", data_dir, "--json")
    assert ran.json["engine"]["llm"] == "quotes"


def test_search_lists_the_nearest_papers(run: Run, data_dir: Path) -> None:
    ran = run("search", "tides", "-k", 2, "--data-dir", data_dir)
    assert (ran.status, ran.err) == (0, "")
    assert re.match(r"1 \d\.\d\d Tides in the bay\n {7}tides-in-the-bay-\w{8}\n2 ", ran.out)
    document = run("search", "tides", "-k", 2, "--data-dir", data_dir, "--json").json
    assert document["query"] == "tides"
    assert [result["rank"] for result in document["results"]] == [1, 2]
    assert set(document["results"][0]) == {"paper_id", "title", "score", "rank"}


@pytest.mark.parametrize(
    "filters, titles",
    [
        (["--author", "díaz"], {"HoneyMap"}),
        (["--author", "díaz", "--author", "young"], {"HoneyMap", "Tides"}),
        (["--year", "2015"], {"Tides"}),
        (["--year", "2016-"], {"HoneyMap"}),
        (["--year=-2020"], {"Tides"}),
        (["--category", "q-bio"], {"HoneyMap"}),
        (["--category", "q-bio.PE", "--category", "physics"], {"HoneyMap", "Tides"}),
        (["--listing", "page 001"], {"Tides", "Glass"}),
        (["--since", "Sep 1"], {"Tides"}),
        (["--until", "2025-08-31"], {"HoneyMap"}),
        (["--listing", "nowhere"], set[str]()),
    ],
)
def test_filters_restrict_what_is_searched(
    run: Run, data_dir: Path, filters: list[str], titles: set[str]
) -> None:
    found = run("search", "what was measured", *filters, "--data-dir", data_dir, "--json").json["results"]
    assert {re.split(r"\W", result["title"])[0] for result in found} == titles


def test_filters_restrict_what_an_answer_is_taken_from(run: Run, data_dir: Path) -> None:
    asked = run(
        "ask", "Which plant do bees visit?", "--author", "young", "--data-dir", data_dir, "--json"
    ).json
    assert asked["coverage"]["papers"] == 1
    assert [result["title"] for result in asked["abstention"]["nearest"]] == ["Tides in the bay"]


def test_filters_that_leave_nothing_are_told(run: Run, data_dir: Path) -> None:
    assert (
        run("search", "bees", "--year", "1999", "--data-dir", data_dir).out
        == "No paper passes these filters.\n"
    )


# --- show and stats --------------------------------------------------------------------------------------


def test_show_prints_a_paper(run: Run, data_dir: Path) -> None:
    paper_id = run("search", "bees", "--data-dir", data_dir, "--json").json["results"][0]["paper_id"]
    document = run("show", paper_id, "--data-dir", data_dir, "--json").json
    assert document == {
        "paper_id": paper_id,
        "title": RECORDS[0]["title"],
        "abstract": RECORDS[0]["abstract"],
        "listings": [{"source": "page 000", "date": "Aug 22"}],
        "authors": ["Ana Díaz", "Bo Li"],
        "year": 2021,
        "url": "https://example.org/bees",
        "doi": "10.1000/bees",
        "arxiv_id": None,
        "categories": ["q-bio.PE"],
    }
    text = run("show", paper_id, "--data-dir", data_dir).out
    assert all(
        part in text for part in ("HoneyMap", "Ana Díaz, Bo Li", "2021", "page 000 · Aug 22", paper_id)
    )


def test_stats_tell_what_the_collection_holds(run: Run, data_dir: Path) -> None:
    with Assistant.open(data_dir, create=False) as assistant:
        assert run("stats", "--data-dir", data_dir, "--json").json == assistant.stats()
    assert "papers     3\n" in run("stats", "--data-dir", data_dir).out


# --- what every command shares ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 2])
def test_shared_options_stand_before_or_after_the_command(run: Run, data_dir: Path, place: int) -> None:
    shared = ["--data-dir", str(data_dir), "--json", "--debug"]
    argv = ["search", "bees"]
    assert run(*argv[:place], *shared, *argv[place:]).json["query"] == "bees"


def test_the_environment_names_the_data_directory(
    run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITEWELL_DATA_DIR", str(data_dir))
    assert run("stats", "--json").json["papers"] == 3


@pytest.mark.parametrize(
    "argv, told",
    [
        ([], "COMMAND. See `citewell --help`"),
        (["aks", "x"], "Unknown command 'aks': perhaps you mean ask. See `citewell --help`"),
        (["zzzz"], "Unknown command 'zzzz'. See"),
        (["ask"], "QUESTION. See `citewell ask --help`"),
        (["ask", "x", "--bogus"], "Unknown argument '--bogus'. See `citewell ask --help`"),
        (["ask", ""], "The question is empty"),
        (["ask", "x" * 5_000], "5,000 characters"),
        (["ask", "x", "--llm", "gpt-4"], "No API key for model 'gpt-4'"),
        (["ask", "x", "--verify", "luck"], "'luck'"),
        (["ask", "x", "--since", "soon"], "'soon'"),
        (["ask", "x", "--year", "20"], "'20'"),
        (["search", "x", "-k", "0"], "0 results"),
        (["search", "x", "-k", "two"], "'two'"),
        (["show", "nope"], "No paper 'nope'"),
        (["show", f"{EVIL}\n"], "evil"),
        (["chat", "--json"], "citewell ask QUESTION --json"),
        (["ask", "x", "--data-dir"], "expected one argument"),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_mistake_is_one_line_and_status_2(
    run: Run,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    told: str,
    as_json: list[str],
) -> None:
    monkeypatch.setenv("CITEWELL_DATA_DIR", str(data_dir))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ran = run(*as_json, *argv)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("citewell: ") and told in ran.err
    assert ran.err.count("\n") == 1 and ran.err.rstrip("\n").isprintable()


@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"], ["show", "x"], ["stats"]])
def test_reading_makes_no_collection(run: Run, tmp_path: Path, command: list[str]) -> None:
    ran = run(*command, "--data-dir", tmp_path / "none")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"citewell: No collection at {tmp_path}/none. Build one with `citewell ingest")
    assert not (tmp_path / "none").exists()


def test_a_file_as_data_directory_is_an_error(run: Run, corpus: Path) -> None:
    for command in (["ask", "x"], ["ingest", str(corpus)], ["chat", "--terminal"]):
        ran = run(*command, "--data-dir", corpus)
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_traceback_is_for_those_who_ask_for_it(run: Run, data_dir: Path) -> None:
    assert "Traceback" not in run("show", "nope", "--data-dir", data_dir).err
    debugged = run("show", "nope", "--data-dir", data_dir, "--debug")
    assert "Traceback" in debugged.err and debugged.err.splitlines()[-1].startswith("citewell: No paper")


@pytest.mark.parametrize(
    "error, status, told",
    [
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device"), 2, "citewell: OSError: [Errno 28] No space left"),
        (RuntimeError("two\nlines"), 1, "citewell: RuntimeError: two lines. Run `citewell doctor`, or"),
    ],
)
def test_what_nobody_expects_is_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, told: str
) -> None:
    def fail(options: object) -> int:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "stats", replace(cli.COMMANDS["stats"], run=fail))
    ran = run("stats")
    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(told) and ran.err.count("\n") == bool(told)


def test_help_and_version_are_printed(run: Run) -> None:
    assert re.fullmatch(r"citewell \d+\.\d+\.\d+\n", run("--version").out)
    text = run("--help")
    assert text.status == 0
    assert all(command in text.out for command in cli.COMMANDS)
    assert "--category" in run("ask", "--help").out


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_abstract_can_command_the_terminal(run: Run, data_dir: Path, as_json: list[str]) -> None:
    with Assistant.open(data_dir, create=False) as assistant:
        paper_id = assistant.search("glass")[0].paper_id
    commands = (["ask", "Does glass flow at room temperature?"], ["search", "glass"], ["show", paper_id])
    for command in commands:
        printed = run(*command, *as_json, "--data-dir", data_dir).out
        assert "evil" in printed
        assert not set(EVIL) - set("evilowned02J[];") & set(printed), command


def test_json_gives_the_text_back_as_it_was_read(run: Run, data_dir: Path) -> None:
    paper_id = run("search", "glass", "--data-dir", data_dir, "--json").json["results"][0]["paper_id"]
    assert run("show", paper_id, "--data-dir", data_dir, "--json").json["abstract"] == RECORDS[2]["abstract"]


# --- as a process of its own -----------------------------------------------------------------------------

CITEWELL = Path(sys.executable).with_name("citewell")


def test_the_installed_command_prints_json_and_nothing_else(data_dir: Path) -> None:
    command = [CITEWELL, "ask", "Which plant do bees visit most often?", "--json", "--data-dir", data_dir]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["abstained"] is False


def test_a_reader_that_goes_away_is_no_error(data_dir: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        command = [CITEWELL, "stats", "--data-dir", data_dir]
        ran = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_any_encoding_of_the_terminal_will_do(data_dir: Path) -> None:
    command = [CITEWELL, "ask", "Which plant do bees visit most often?", "--data-dir", data_dir]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "3 abstracts ? " in ran.stdout


def test_the_command_line_imports_what_a_command_needs_and_no_more() -> None:
    heavy = "{'chromadb', 'gradio', 'llama_index', 'numpy', 'onnxruntime', 'openai', 'pydantic', 'rich'}"
    code = f"import citewell.cli, sys; print({heavy} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "set()", ran.stderr
