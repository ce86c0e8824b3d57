"""The benchmarks' tables, ratios and plots from made-up reports, and runs over five papers; nothing is timed."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant
from citewell.embedding.minilm import MiniLM
from citewell.library import Filters
from citewell.types import Paper
from fakes import HashEmbedder

BENCHMARKS = Path(__file__).resolve().parents[1] / "eval" / "benchmarks"
sys.path.append(str(BENCHMARKS))  # they are scripts, which import one another by name

import beside  # noqa: E402
import precision  # noqa: E402
import probe  # noqa: E402
import scale  # noqa: E402
from beside_systems import CITEWELL, LENT, STOCK, SYSTEMS  # noqa: E402
from on_disk import stock_embedding  # noqa: E402
from questions import questions_about, spread  # noqa: E402
from report import (  # noqa: E402
    Machine,
    Table,
    conclude,
    machine,
    percentile,
    plot,
    shown,
    timed,
    write_html,
)

PAPERS = [
    Paper(
        f"How {animal} find their way",
        f"Many animals travel far. We followed {animal} by radio in {n} valleys. Most {animal} used the {guide}.",
    )
    for n, (animal, guide) in enumerate(
        [("storks", "sun"), ("bees", "sky"), ("eels", "currents"), ("bats", "echoes"), ("toads", "smell")], 3
    )
]


def point(papers: int, factor: float = 1.0) -> probe.Point:
    """A made-up point."""
    return probe.Point(
        papers=papers,
        vectors=9 * papers,
        ingest=None,
        disk=probe.Disk(1000.0, 2000.0, 1.5),
        cold=probe.Cold(1.25 * factor, 0.5, 0.5, 2.5 * factor),
        latency=probe.Latency(
            120, 0.99, 1.0, 40 * factor, 60 * factor, 20 * factor, 30 * factor, 4.0, 2.0, 10.0, 5.0, 3.0
        ),
        memory=probe.Memory(300.0, 310.0, 250.0, 1.24),
    )


MADE_UP = Machine(cores=2, memory_gib=8.0, system="Linux", architecture="x86_64", python="3.11.7")
SCALE = scale.Report(MADE_UP, [point(532), point(10_000, 2.0)])
BESIDE = beside.Report(
    MADE_UP,
    papers=532,
    rounds=3,
    questions=100,
    answers=10,
    systems=[
        beside.System(
            CITEWELL, 12.0, beside.Ratio(1.0, 1.0, 1.0), 20.0, 30.0, 1.0, 40.0, 60.0, 0.9, 0.8, 300
        ),
        beside.System(
            STOCK, 15.0, beside.Ratio(1.25, 1.2, 1.4), 10.0, 15.0, 0.5, 4000.0, 4100.0, 0.7, 0.6, 360
        ),
    ],
)


# --- ratios and numbers ---------------------------------------------------------------------------------


def test_ratios_are_of_neighbours_and_their_spread_is_told():
    # A machine that is ten times as slow in one round leaves the ratios alone.
    assert beside.ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == beside.Ratio(2.0, 2.0, 2.0)
    assert beside.ratio([1.0, 30.0, 2.0], [1.0, 10.0, 1.0]) == beside.Ratio(2.0, 1.0, 3.0)
    with pytest.raises(ValueError):
        beside.ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([3.0], 0.95, 3.0), (list(range(100, 0, -1)), 0.95, 95), ([2.0, 1.0], 0.95, 2.0), ([2, 1, 3], 0.5, 2)],
)
def test_percentiles_by_hand(values, share, wanted):
    assert percentile(values, share) == wanted


def test_rounds_are_summed_up_by_medians_of_their_own_ratios():
    slow = probe.Round(0.4, 0.04, 0.2, 0.02, 0.02, True, True)
    rounds = [
        probe.Round(0.04, 0.004, 0.02, 0.002, 0.002, True, True),
        slow,
        probe.Round(0.06, 0.003, 0.03, 0.002, 0.002, False, True),
    ]
    latency = probe.summary(rounds)
    assert (latency.questions, latency.answered, latency.first) == (3, 0.667, 1.0)
    assert (latency.ask_ms, latency.search_ms, latency.embedding_ms) == (60.0, 30.0, 4.0)
    assert (latency.ask_to_embedding, latency.search_to_dot_product, latency.search_to_dense) == (10, 10, 5)


def test_a_timed_function_gives_what_it_returns():
    made, took = timed(lambda: "made")
    assert made == "made" and took >= 0


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, "–"), (0.8334, "0.833"), (12.345, "12.3"), (1234.5, "1,234"), (130_000, "130,000"), ("a", "a")],
)
def test_numbers_show_three_digits(value, wanted):
    assert shown(value) == wanted


def test_the_nearest_vectors_are_those_with_the_highest_products():
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    assert probe.nearest(vectors, vectors[0], 3) == [0, 3, 2]
    assert probe.nearest(vectors, vectors[1], 10) == [1, 2, 3, 0]


# --- questions ------------------------------------------------------------------------------------------


def test_questions_are_made_from_titles_and_abstracts_by_turns():
    asked = questions_about(PAPERS[:2])
    assert asked[0].question == "What does How storks find their way report?"
    assert asked[1].question == "Which study tells that We followed bees by radio in 4 valleys?"
    assert [one.title for one in asked] == [paper.title for paper in PAPERS[:2]]


def test_places_are_spread_evenly_and_repeat_where_there_are_few():
    assert spread(10, 5) == [0, 2, 4, 6, 8]
    assert spread(2, 5) == [0, 0, 0, 1, 1]


# --- tables, JSON and HTML ------------------------------------------------------------------------------


def test_a_table_is_aligned_and_its_html_escaped():
    made = Table(("", "ms"), [("a < b", 1.5), ("c", None)])
    assert made.text() == "        ms\na < b  1.5\nc        –"
    assert "<td>a &lt; b</td><td>1.5</td>" in made.html()


def test_the_table_of_sizes_has_a_column_a_size_and_a_row_a_measure():
    lines = scale.table(SCALE).text().splitlines()
    assert lines[0].split() == ["papers", "532", "10,000"]
    cells = {line[:36].strip(): line[36:].split() for line in lines}
    assert cells["ask, median ms"] == ["40", "80"]
    assert cells["fresh process to the model's"] == ["2.5", "5"]


def test_the_table_of_systems_has_a_column_a_system_and_a_row_a_measure():
    head, ingest, times, *rows = beside.table(BESIDE).text().splitlines()
    assert CITEWELL in head and STOCK in head
    assert ingest.split()[-2:] == ["12", "15"] and times.endswith("1.25 (1.2–1.4)")
    assert [row.split()[-2:] for row in rows[3:5]] == [["40", "4,000"], ["60", "4,100"]]


def test_lines_run_over_the_number_of_papers_and_bars_over_systems():
    latency = scale.plots(SCALE)[0]
    ask = next(trace for trace in latency.data if trace.name == "ask, median ms")
    assert (list(ask.x), list(ask.y)) == ([532, 10_000], [40.0, 80.0])
    assert latency.layout.xaxis.type == latency.layout.yaxis.type == "log"
    assert [(trace.name, list(trace.x), list(trace.y)) for trace in beside.bars(BESIDE).data] == [
        ("search", [STOCK], [0.5]),
        ("memory", [STOCK], [1.2]),
        ("ingest", [STOCK], [1.25]),
    ]


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    path = tmp_path / "report.html"
    write_html(path, "A & B", ["Told <here>.", scale.table(SCALE), *scale.plots(SCALE)])
    page = path.read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in page and "<p>Told &lt;here&gt;.</p>" in page
    assert page.count("Plotly.newPlot(") == len(scale.plots(SCALE))
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=", page)
    write_html(path, "Without plots", [scale.table(SCALE)])
    assert "Plotly" not in path.read_text(encoding="utf-8")


def test_a_plot_of_nothing_can_be_drawn():
    assert len(plot("Nothing", [], {"a": []}, ("x", "y"), bars=False).data) == 1


def test_a_report_is_printed_and_written(tmp_path, capsys):
    assert conclude(SCALE, tmp_path / "report.json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [one["papers"] for one in printed["points"]] == [532, 10_000]
    assert conclude(SCALE, None, "a table") == 0
    assert capsys.readouterr().out == "a table\n"


def test_the_machine_is_told_without_its_name_or_paths():
    facts = machine()
    assert facts.cores >= 1 and facts.python == platform.python_version()
    told = [str(value) for value in (facts.system, facts.architecture, facts.python)]
    assert platform.node() not in told and not any("/" in value for value in told)


# --- collections ----------------------------------------------------------------------------------------


@pytest.fixture
def few(tmp_path):
    """A folder like the shared data: one listing of three papers, and five of arXiv, one of them twice."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "data" / "arxiv-abstracts").mkdir(parents=True)
    pages = [{"title": paper.title, "abstract": paper.abstract} for paper in PAPERS[:3]]
    arxiv = [
        {"title": paper.title, "abstract": paper.abstract, "arxiv_id": f"1501.0000{n}"}
        for n, paper in enumerate([*PAPERS, PAPERS[0]])
    ]
    arxiv[-1]["arxiv_id"] = arxiv[0]["arxiv_id"]
    for name, records in (("corpus/page.jsonl", pages), ("data/arxiv-abstracts/cs.jsonl", arxiv)):
        (tmp_path / name).write_text("\n".join(map(json.dumps, records)))
    return tmp_path


def test_few_papers_are_of_the_pages_and_more_of_arxiv_in_a_stable_order(few):
    assert [paper.title for paper in scale.papers_of(few, 2)] == [paper.title for paper in PAPERS[:2]]
    five = scale.papers_of(few, 5)
    assert len({paper.arxiv_id for paper in five}) == 5
    assert scale.papers_of(few, 4) == five[:4]
    with pytest.raises(scale.UsageError, match="Cannot take 6 papers: there are 5"):
        scale.papers_of(few, 6)


def test_a_complete_collection_is_used_again_and_an_incomplete_one_goes_on(few, tmp_path, monkeypatch):
    opened = Assistant.open
    hashed = HashEmbedder()
    monkeypatch.setattr(scale.Assistant, "open", lambda folder: opened(folder, embedder=hashed))
    work = tmp_path / "work"
    with opened(work / "5", embedder=hashed) as assistant:  # as a run that was cut short leaves it
        assistant.add(scale.papers_of(few, 5)[:2])
    assert scale.ingested(few, 5, work).embedded == 3
    before = hashed.embedded
    assert scale.ingested(few, 5, work).embedded == 3 and hashed.embedded == before


def test_all_vectors_are_those_of_abstracts_and_chunks(tmp_path):
    with Assistant.from_papers(PAPERS, embedder=HashEmbedder()) as assistant:
        library = assistant.collection.library
        vectors = probe.all_vectors(library)
        passages = library.passages(library.matching(Filters()), library.manifest())
    assert len(vectors) == sum(1 + len(each.chunks) for each in passages.values())
    assert any(np.array_equal(row, passages[1].abstract) for row in vectors)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sizes", "5"], "add --work DIR"),
        (["--json", "f.json"], "give --sizes or --existing"),
    ],
)
def test_what_is_missing_is_told(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        scale.main(arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_a_collection_that_is_not_there_or_not_complete_is_refused(tmp_path, capsys):
    assert scale.main(["--existing", str(tmp_path / "none")]) == 2
    assert "No collection at" in capsys.readouterr().err
    Assistant.open(tmp_path / "empty").close()
    assert scale.main(["--existing", str(tmp_path / "empty")]) == 2
    assert "is not complete" in capsys.readouterr().err


# --- whole runs over five papers ------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_every_system_takes_five_papers_in_and_finds_them(tmp_path, capsys):
    corpus, report = tmp_path / "five.jsonl", tmp_path / "report.json"
    corpus.write_text("\n".join(json.dumps({"title": p.title, "abstract": p.abstract}) for p in PAPERS))
    options = ["--rounds", "1", "--questions", "2", "--answers", "0", "--json", str(report)]
    assert beside.main(["--corpus", str(corpus), "--work", str(tmp_path / "work"), *options]) == 0
    measured = json.loads(report.read_text())
    assert (measured["papers"], measured["rounds"]) == (5, 1)
    assert [system["name"] for system in measured["systems"]] == [CITEWELL, STOCK, LENT]
    for system in measured["systems"]:
        assert system["ndcg_10"] > 0.5 and system["ingest_seconds"] > 0 and system["memory_mib"] > 100
    assert not list((tmp_path / "work").iterdir())
    assert "nDCG@10" in capsys.readouterr().out


def test_a_large_collection_is_set_beside_an_index_of_its_own_vectors(tmp_path):
    with Assistant.open(tmp_path / "five") as assistant:
        assistant.add(PAPERS)
    beside.build(tmp_path / "five", tmp_path / "index")
    beside.build(tmp_path / "five", tmp_path / "index")  # it is there
    with SYSTEMS[STOCK].open(tmp_path / "index") as work:
        assert work["search"]("How do bats find their way?")[0] == "How bats find their way"


def test_stock_llamaindex_has_the_same_model(tmp_path):
    texts = [paper.abstract for paper in PAPERS]
    ours = MiniLM().embed_queries(texts)
    theirs = np.array(stock_embedding(tmp_path).get_text_embedding_batch(texts), dtype=np.float32)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_collection_is_measured_from_cold_start_to_memory(tmp_path, capsys):
    with Assistant.open(tmp_path / "five") as assistant:
        assistant.add(PAPERS)
    files = [tmp_path / "report.json", tmp_path / "report.html"]
    options = ["--questions", "4", "--cold", "1", "--json", str(files[0]), "--html", str(files[1])]
    assert scale.main(["--existing", str(tmp_path / "five"), *options]) == 0
    (measured,) = json.loads(files[0].read_text())["points"]
    assert measured["papers"] == 5 and measured["vectors"] > 5 and measured["ingest"] is None
    assert measured["latency"]["questions"] == 4 and measured["latency"]["first"] > 0.5
    for values in (measured["disk"], measured["cold"], measured["latency"], measured["memory"]):
        assert all(value > 0 for value in values.values())
    assert str(tmp_path) not in files[0].read_text() + files[1].read_text()
    assert "ask, median ms" in capsys.readouterr().out


# --- the precision of the model -------------------------------------------------------------------------


def test_the_model_in_int8_has_other_products_and_nearly_the_same_vectors():
    texts = {paper.title: f"{paper.title}. {paper.abstract}" for paper in PAPERS}
    report = precision.measured(
        texts, {"q": "What do bats use to find their way?"}, {"q": {PAPERS[3].title: 1}}
    )
    assert (report.texts, report.products_in_int8) == (5, 36)
    assert 0.9 < report.cosine_lowest <= report.cosine < 0.9999
    assert report.ndcg_10_float32 == report.ndcg_10_int8 == 1.0
    assert report.ndcg_10_difference == (0.0, 0.0, 0.0)
