"""The ranking benchmark: its BM25 and its present score are the product's, and variants change what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant
from citewell.settings import load_settings
from citewell.text import stem, stems
from citewell.types import Paper
from fakes import HashEmbedder

sys.path.append(
    str(Path(__file__).resolve().parents[1] / "eval" / "benchmarks")
)  # scripts, which import by name

import ranking  # noqa: E402
import ranking_expand as expand  # noqa: E402
import ranking_variants as tried  # noqa: E402
from ranking_sets import Lexicon, Question, judge  # noqa: E402
from ranking_view import Shared, View, clauses  # noqa: E402

PAPERS = [
    Paper(
        "Storks by radio", "We followed storks in spring. Retrieval augmented flight (RAF) is what they do."
    ),
    Paper("How bees find the hive", "Bees dance. The dance tells the way, and the sky gives the angle."),
    Paper("Eels and currents", "Young eels drift with ocean currents. Old eels swim against ocean currents."),
    Paper(
        "Bats and their echoes", "Pre flight calls of bats were recorded. Bats hear echoes of moths at night."
    ),
    Paper(
        "Toads smell ponds", "Toads return to their pond. Without smell they wander, and some find no water."
    ),
]
ASKED = [
    ("Which way do bees dance?", "How bees find the hive"),
    ("Do eels swim against ocean currents, and do they drift with tides?", "Eels and currents"),
    ("What do toads do without smell?", "Toads smell ponds"),
]


@pytest.fixture(scope="module")
def assistant():
    with Assistant.from_papers(PAPERS, embedder=HashEmbedder()) as opened:
        yield opened


@pytest.fixture(scope="module")
def judged(assistant):
    ids = {stored.paper.title: stored.paper.paper_id for stored in assistant.collection.library.iterate()}
    return judge("animals", assistant, [(question, {ids[title]: 1}) for question, title in ASKED])


@pytest.fixture(scope="module")
def views(judged):
    shared = Shared(judged, load_settings({}, {}))
    return [View(shared, question) for question in judged.questions]


def question(text: str) -> Question:
    """A question of no set, without a vector."""
    return Question(text, tuple(text.lower().split()), np.zeros(2, dtype=np.float32), {})


def lexicon(*texts: str) -> Lexicon:
    """The words of abstracts without titles."""
    return Lexicon([[] for _ in texts], [stems(text) for text in texts])


# --- the present score ----------------------------------------------------------------------------------


@pytest.mark.parametrize("title_weight", [1.0, 2.5])
def test_bm25_is_that_of_fts5(assistant, judged, title_weight):
    library = assistant.collection.library
    for word in ("bees", "currents", "smell", "find", "zebra"):
        found = library.lexical([word], title_weight)
        wanted = np.zeros(len(PAPERS))
        wanted[found.rows - 1] = found.scores
        assert judged.lexicon.bm25(stem(word), title_weight) == pytest.approx(wanted)


def test_the_present_score_is_the_products(assistant, views):
    for view in views:
        found = assistant.search(view.question.text)
        ids = view.shared.judged.ids
        assert ranking.ranked(ids, view.score) == [result.paper_id for result in found]
        scores = [view.score[ids.index(result.paper_id)] for result in found]
        assert scores == pytest.approx([result.score for result in found], abs=1e-5)


def test_equal_scores_are_ordered_by_id_and_ten_are_kept():
    assert ranking.ranked(["c", "a", "b"], np.array([0.5, 0.5, 0.9])) == ["b", "a", "c"]
    assert ranking.ranked([str(n) for n in range(10, 30)], np.ones(20)) == [str(n) for n in range(10, 20)]


# --- variants -------------------------------------------------------------------------------------------


def test_every_variant_scores_every_paper(views):
    for one in tried.variants():
        for view in views:
            scores = one.score(view)
            assert scores.shape == (len(PAPERS),) and np.isfinite(scores).all(), one


def test_a_variant_without_weight_is_the_present_score(views):
    neutral = [
        lambda view: tried.rocchio(view, 3, 0.0),
        lambda view: tried.relevance_model(view, 5, 0.0),
        lambda view: tried.neighbours(view, 0.0),
        lambda view: tried.phrases(view, 0.0),
        lambda view: tried.title_weighted(view, view.shared.settings.title_weight),
        lambda view: tried.centred(view, 0.0),
        lambda view: tried.rare_first(view, 0.0),
        lambda view: tried.weighted(view),
        lambda view: tried.every_word(view),
    ]
    for view in views:
        for score in neutral:
            assert score(view) == pytest.approx(view.score, abs=1e-6)


def test_the_best_chunks_are_averaged_paper_by_paper(views):
    view = views[1]
    ends = np.append(view.read.starts[1:], len(view.passages))
    two = [np.sort(view.passages[a:b])[-2:].mean() for a, b in zip(view.read.starts, ends, strict=True)]
    assert tried.best_chunks(view, 2) == pytest.approx(view.with_chunk(np.array(two)))
    assert tried.soft_chunks(view, 2e-3) == pytest.approx(tried.best_chunks(view, 1), abs=1e-3)


def test_words_side_by_side_add_to_the_score(views):
    added = tried.phrases(views[1], 0.1) - views[1].score
    assert added.argmax() == 2 and added[2] > 0 and added[[0, 1, 3, 4]] == pytest.approx(0.0)


def test_a_question_has_clauses_of_two_telling_words():
    assert clauses("Do eels swim against currents, and do they drift with tides?") == [
        "Do eels swim against currents",
        "do they drift with tides?",
    ]
    assert clauses("What is it, and why?") == []


# --- other words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "asked", "texts", "wanted"),
    [
        (
            "compounds",
            "up to pre training",
            ["upto topre pretraining helps"],
            [(("pre", "train"), ("pretrain",), None)],
        ),
        (
            "compounds",
            "pretraining",
            ["pre-training helps", "training pre"],
            [(("pretrain",), ("pre", "train"), [0])],
        ),
        (
            "acronyms",
            "RAF",
            ["Retrieval augmented flight (RAF)"],
            [(("raf",), ("retriev", "augment", "flight"), None)],
        ),
        (
            "acronyms",
            "language models",
            ["Large language models (LLMs) and language models (LMs)"],
            [(("languag", "model"), ("lm",), None)],
        ),
        ("acronyms", "FIG", ["The results are plain (FIG)"], []),
        ("acronyms", "raf", ["Retrieval augmented flight (RAF)"], []),
        ("families", "analysis", ["analyses anatomy analogy"], [(("analysi",), ("analys",), None)]),
    ],
)
def test_other_words_are_found_in_the_collection(kind, asked, texts, wanted):
    expander = expand.Expander(lexicon(*texts), [("", text) for text in texts], [question(asked)])
    found = expander.alternatives(question(asked), kind)
    assert [(tuple(one.said), tuple(one.other), one.places) for one in found] == wanted


def test_other_words_add_what_a_paper_lacks():
    words = lexicon("retrieval augmented flight", "raf raf", "nothing else", "nor here", "nor there")
    found = [expand.Alternative(("raf",), ("retriev", "augment", "flight"))]
    added = expand.expanded(words, found, 1.0, 1.0)
    assert added[0] > 0 and added[1:] == pytest.approx(0.0)
    assert expand.expanded(words, found, 1.0, 0.5)[0] == pytest.approx(added[0] / 2)


def test_two_words_are_within_a_window_in_any_order():
    text = "a b c d e b".split()
    assert expand.within(text, ("a", "b"), 2) and expand.within(text, ("e", "c"), 3)
    assert not expand.within(text, ("a", "d"), 3) and not expand.within(text, ("a", "z"), 8)


# --- the verdict ----------------------------------------------------------------------------------------


def test_a_difference_counts_when_its_interval_leaves_out_zero():
    old = np.linspace(0.2, 0.6, 40)
    assert ranking.compare(old + 0.1, old) == ranking.Change(0.5, 0.1, 0.1, 0.1)
    assert ranking.compare(old + 0.1, old).mark == "+" and ranking.compare(old - 0.1, old).mark == "-"
    assert ranking.compare(old, old).mark == ranking.Change(0.5, 0.1, -0.1, 0.3).mark == ""


@pytest.mark.parametrize(("marks", "kept"), [("+++", True), ("+++-", False), ("++ ", False), ("+++ +", True)])
def test_a_variant_is_kept_that_helps_on_three_sets_and_hurts_none(marks, kept):
    low = {"+": 0.1, "-": -0.3, " ": -0.1}
    changes = {str(n): ranking.Change(0.5, 0.0, low[mark], low[mark] + 0.2) for n, mark in enumerate(marks)}
    assert ranking.Trial("a", "1", changes).is_kept is kept


def test_the_report_has_a_row_a_trial_and_names_what_is_kept(judged):
    report = ranking.measure(iter([judged]), ["title weight", "BM25 of all"])
    assert report.questions == {"animals": 3} and report.kept == []
    assert [trial.variant for trial in report.trials] == ["title weight"] * 4 + ["BM25 of all"]
    lines = ranking.table(report).text().splitlines()
    assert lines[0].split() == ["variant", "value", "animals", "(3)"] and len(lines) == 7


def test_an_unknown_set_is_named(tmp_path, capsys):
    assert ranking.main(["--shared", str(tmp_path)]) == 2
    assert "No shared data at" in capsys.readouterr().err
