"""`citewell eval` as it is typed: what it prints and writes, and its exit status."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from citewell.cli import main
from citewell.types import Answer
from citewell_eval.baseline import read_baseline
from citewell_ui.records import Records
from sample_answers import ANSWER

PAPERS = [
    (
        "HoneyMap: tracing pollination with radar",
        "Bees visit lavender most often. HoneyMap follows 40 bees by radar.",
    ),
    (
        "IceClock: dating glaciers by trapped air",
        "Glaciers trap air. IceClock dates ice from its bubbles to 12 years.",
    ),
    (
        "SaltSieve: fresh water from the sea",
        "SaltSieve filters sea water. It needs 3 kWh for a cubic metre of water.",
    ),
]
CASES = [
    ("bees", "Which plant do bees visit most often?", True, [PAPERS[0][0]], [["lavender"]]),
    ("ice", "How precisely does IceClock date ice?", True, [PAPERS[1][0]], [["12 years"]]),
    ("bread", "How do I bake bread?", False, [], []),
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus and cases."""
    lines = [json.dumps({"title": title, "abstract": abstract}) for title, abstract in PAPERS]
    (tmp_path / "papers.jsonl").write_text("\n".join(lines))
    fields = ("id", "question", "answerable", "papers", "facts")
    rows = [{**dict(zip(fields, row, strict=True)), "kind": "fact"} for row in CASES]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def evaluate(here: Path, *options: str, cases: str = "cases.jsonl") -> int:
    return main(["eval", "--corpus", str(here / "papers.jsonl"), "--cases", str(here / cases), *options])


def test_one_s_own_cases_over_one_s_own_files(here, capsys):
    files = [f"--{form}={here / form}" for form in ("json", "junit", "markdown", "html")]
    assert evaluate(here, *files) == 0
    said = capsys.readouterr()
    assert "3 cases" in said.out and "PASSED" in said.out and said.err == ""
    document = json.loads((here / "json").read_text())
    values = {measure["name"]: measure["value"] for measure in document["measures"]}
    assert values["verbatim quotes"] == values["nDCG@10"] == values["refusal F1"] == 1.0
    assert ET.parse(here / "junit").getroot().tag == "testsuites"
    assert "nDCG" in (here / "markdown").read_text() and "</html>" in (here / "html").read_text()


def test_two_runs_differ_in_nothing_but_timings(here, capsys):
    runs = []
    for name in ("one", "two"):
        assert evaluate(here, f"--json={here / name}") == 0
        document = json.loads((here / name).read_text())
        del document["timings"]
        runs.append(document)
    assert runs[0] == runs[1]
    capsys.readouterr()


def test_a_suite_of_one_s_own_with_a_limit_it_misses(here, capsys):
    table = '[mine]\ncorpus = ["papers.jsonl"]\ncases = ["cases.jsonl"]\n[mine.limits]\n"answerable refused" = -0.1'
    (here / "s.toml").write_text(table)
    assert main(["eval", str(here / "s.toml")]) == 1
    assert "answerable refused is 0.000, has to be at most -0.1" in " ".join(capsys.readouterr().out.split())


def test_a_baseline_is_written_and_a_loss_against_it_is_told(here, capsys):
    kept = here / "b.json"
    options = [
        "--corpus",
        str(here / "papers.jsonl"),
        "--cases",
        str(here / "cases.jsonl"),
        "--output",
        str(kept),
    ]
    assert main(["eval", "baseline", *options]) == 0
    assert set(read_baseline(kept).measures["fact correctness"]) == {"bees", "ice"}
    assert evaluate(here, "--baseline", str(kept)) == 0
    better = read_baseline(kept).model_dump()
    better["measures"]["answerable refused"] = {"bees": [-1.0, 1.0], "ice": [-1.0, 1.0]}
    kept.write_text(json.dumps(better))
    assert evaluate(here, "--baseline", str(kept)) == 1
    assert "answerable refused changed by +1.000" in " ".join(capsys.readouterr().out.split())


def test_the_feedback_of_the_chat_is_accepted_as_it_is(here, capsys):
    Records(here).judge(ANSWER, "up", "good")
    Records(here).judge(ANSWER, "down")
    assert evaluate(here, cases="feedback.jsonl") in (0, 1)
    assert "2 cases" in capsys.readouterr().out
    assert isinstance(ANSWER, Answer)


def test_a_beir_set_is_measured_by_its_ranking(here, capsys):
    lines = [json.dumps({"_id": f"p{n}", "title": t, "text": a}) for n, (t, a) in enumerate(PAPERS)]
    (here / "corpus.jsonl").write_text("\n".join(lines))
    (here / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "bees on lavender"}\n{"_id": "q2", "text": "ice"}'
    )
    (here / "qrels").mkdir()
    (here / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tp0\t1\nq2\tp1\t2\n")
    assert main(["eval", "--beir", str(here), "--json", str(here / "r.json")]) == 0
    names = [measure["name"] for measure in json.loads((here / "r.json").read_text())["measures"]]
    assert names == ["nDCG@10", "Recall@10", "Recall@100", "MRR", "Success@1"]
    capsys.readouterr()


def test_systems_are_compared_on_the_same_cases(here, capsys):
    options = ["--corpus", str(here / "papers.jsonl"), "--cases", str(here / "cases.jsonl")]
    assert (
        main(
            ["eval", "compare", *options, "--systems", "citewell,bm25,dense", "--json", str(here / "c.json")]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "BM25 only" in said and "dense only" in said and "first ahead by" in said
    systems = json.loads((here / "c.json").read_text())["systems"]
    assert [system["name"] for system in systems] == ["citewell quotes", "BM25 only", "dense only"]
    assert all(set(system["cases"]) == {"bees", "ice", "bread"} for system in systems)


def test_cases_are_proposed_and_can_be_run(here, capsys):
    made = here / "new.jsonl"
    corpus = ["--corpus", str(here / "papers.jsonl")]
    assert main(["eval", "new", str(made), *corpus, "--count", "6", "--yes"]) == 0
    assert f"citewell eval --cases {made}" in capsys.readouterr().out
    assert evaluate(here, cases="new.jsonl") in (0, 1)
    assert main(["eval", "new", str(made), *corpus, "--yes"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_judge_is_measured_against_labels(here, capsys):
    said = {
        "sentence": "Bees visit lavender most.",
        "paper": PAPERS[0][0],
        "quote": PAPERS[0][1][:31],
        "faithful": True,
    }
    lie = {**said, "sentence": "Bees visit lavender least.", "faithful": False}
    row = {
        "id": "w",
        "question": "q",
        "kind": "model",
        "answerable": True,
        "papers": [],
        "facts": [],
        "writes": [said, lie],
    }
    (here / "written.jsonl").write_text(json.dumps(row))
    options = ["--corpus", str(here / "papers.jsonl"), "--cases", str(here / "written.jsonl")]
    assert main(["eval", "judges", *options, "--json", str(here / "j.json")]) == 0
    (agreement,) = json.loads((here / "j.json").read_text())
    assert agreement["pairs"] == 2 and agreement["accuracy"] == 1.0 and agreement["kappa"] == 1.0
    assert "agreement of verifier" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No suite 'nonsense'"),
        (["--cases", "none.jsonl"], "Cannot read the cases none.jsonl"),
        (["pages-dev"], "No collection to ask. Name one: --corpus FILES"),
        (["--beir", "none"], "none is no BEIR set"),
        (["--verdicts", "none.jsonl"], "Cannot read the verdicts none.jsonl"),
        (["--record", "v.jsonl"], "Name it: --judge MODEL"),
        (["--baseline", "none.json"], "Cannot read the baseline none.json"),
        (["--html", "none/report.html"], "Cannot write --html none/report.html"),
        (["--unknown"], "See `citewell eval --help`"),
        (["compare", "--systems", "magic"], "Unknown system 'magic'"),
        (["new", "cases.jsonl", "--corpus", "none"], "Nobody can review"),
        (["none.toml"], "Cannot read the suites none.toml"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_status_two(here, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(here)
    small = ["--corpus", "papers.jsonl"] if {"--verdicts", "compare"} & set(arguments) else []
    assert main(["eval", *arguments, *small]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_options_before_the_command_are_sent_behind_it(capsys):
    assert main(["--data-dir", "x", "eval"]) == 2
    assert "stand behind it" in capsys.readouterr().err
