"""The gate's arithmetic on evidence made by hand, and the data files that ship."""

import dataclasses
import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from citewell import Assistant, Paper, gate, quotes
from citewell.embedding.base import TokenVectors
from citewell.evidence import FEATURES as SENTENCE_FEATURES
from citewell.evidence import sentence_features, spelt_out
from citewell.gate import contradiction, names_a_stranger
from citewell.interaction import interact
from citewell.linear import LinearModel, load_model, sigmoid
from citewell.question import analyse
from citewell.settings import Settings
from citewell_eval.cases import Case
from citewell_eval.observe import observe
from test_quotes import make


@pytest.mark.parametrize(
    ("name", "features"),
    [("sentences", SENTENCE_FEATURES), ("gate", gate.FEATURES), ("gate-lexical", gate.FEATURES)],
)
def test_the_stored_weights_fit_the_code(name, features):
    model = load_model(name)
    assert model.features == features
    assert len(model.mean) == len(model.scale) == len(model.weights) == len(features)
    assert (model.scale > 0).all() and np.isfinite(model.weights).all()


@pytest.mark.parametrize("name", ["gate", "gate-lexical"])
def test_the_curve_refuses_more_as_the_threshold_rises(name):
    stored = json.loads(resources.files("citewell").joinpath("data", f"{name}.json").read_text("utf-8"))
    for kind in ("answerable", "near_topic", "far_off"):
        refused = [point[kind] for point in stored["curve"]]
        assert refused == sorted(refused)


@pytest.mark.parametrize("name", ["gate", "gate-lexical"])
def test_at_the_default_threshold_little_that_is_answerable_is_refused(name):
    stored = json.loads(resources.files("citewell").joinpath("data", f"{name}.json").read_text("utf-8"))
    (point,) = (point for point in stored["curve"] if point["threshold"] == Settings().gate_threshold)
    assert point["answerable"] < 0.1 and point["far_off"] > 0.9 and point["near_topic"] > 0.5


def test_without_its_paper_a_question_is_judged_by_the_others():
    about = ["Sand dunes drift.", "Whales sing in winter.", "Sand grains sing.", "Glass is made of sand."]
    papers = [Paper(f"Paper {i}", text) for i, text in enumerate(about)]
    case = Case(
        id="q", question="Do sand dunes drift?", kind="fact", answerable=True, papers=("Paper 0",), facts=()
    )
    with Assistant.from_papers(papers) as assistant:
        asked, hidden = observe(assistant, [case], hide=True, weight=2.0)
    assert asked.evidence.papers[0].paper.title == "Paper 0" and asked.case.answerable
    assert "Paper 0" not in {read.paper.title for read in hidden.evidence.papers}
    assert not hidden.case.answerable and (hidden.case.kind, hidden.weight) == ("hidden", 2.0)
    assert hidden.evidence.papers[0].candidate.score < asked.evidence.papers[0].candidate.score


def test_a_linear_model_is_a_scaled_sum():
    model = LinearModel(("a", "b"), np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.array([3.0, -1.0]), 0.5)
    assert model.decision(np.array([[3.0, 2.0], [1.0, 0.0]])).tolist() == [1.5, 0.5]


@pytest.mark.parametrize(("logit", "expected"), [(0.0, 0.5), (800.0, 1.0), (-800.0, 0.0), (np.log(3), 0.75)])
def test_sigmoid(logit, expected):
    assert sigmoid(logit) == pytest.approx(expected)


DRIFT = make(
    [
        (
            "DriftNet for sand",
            1.0,
            [
                ("DriftNet is training-free and runs at 40 frames.", 2.0),
                ("Sand never needs labels here.", 1.0),
            ],
        )
    ],
    {"driftnet": 1.0, "train": 0.5, "label": 0.5, "gpu": 1.0, "sand": 0.4, "run": 0.3},
)


@pytest.mark.parametrize(
    ("question", "denied"),
    [
        ("Why does DriftNet need training for sand?", True),
        ("Why does DriftNet need labels for sand?", True),
        ("Does DriftNet need training for sand?", False),
        ("Why does DriftNet not need labels for sand?", False),
        ("Why does DriftNet run on sand?", False),
    ],
)
def test_only_a_plain_denial_of_the_premise_counts(question, denied):
    assert (contradiction(analyse(question), DRIFT) is not None) is denied


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How many frames must DriftNet read?", "DriftNet reads no more than two frames."),
        ("Why does DriftNet read frames?", "DriftNet reads not only frames."),
        ("Why does DriftNet see noise?", "To solve this, DriftNet drifts, eliminating noise."),
    ],
)
def test_a_bound_or_a_remedy_denies_no_premise(question, sentence):
    asked = analyse(question)
    evidence = make([("DriftNet", 1.0, [(sentence, 1.0)])], {stem: 1.0 for stem in asked.stems})
    assert contradiction(asked, evidence) is None


@pytest.mark.parametrize(
    ("question", "sentence", "told"),
    [
        ("What does DSN stand for?", "We study dune sand networks (DSNs).", True),
        ("what is dsn short for", "The DSN, short for dune sand network, drifts.", True),
        ("What does DSN stand for?", "The DSN drifts (and sings).", False),
        ("What does DSN do?", "We study dune sand networks (DSNs).", False),
        ("What does it stand for?", "We study dune sand networks (DSNs).", False),
    ],
)
def test_an_abbreviation_is_answered_where_it_is_written_out(question, sentence, told):
    evidence = make([("On dunes", 1.0, [("Dunes drift.", 2.0), (sentence, 0.1)])])
    found = spelt_out(analyse(question), evidence)
    assert (found is not None and found.text == sentence) is told
    if told:
        assert quotes.select(analyse(question), evidence, 1) == [found]


def test_a_paper_that_stands_out_is_seen_in_every_feature():
    asked = analyse("How does DriftNet drift?")
    far = make(
        [("DriftNet", 0.9, [("It drifts.", 3.0)]), ("Other", 0.2, [("It rests.", 1.0)])], {"driftnet": 1.0}
    )
    assert gate._standing_out(asked, far) == pytest.approx([0.9, 0.35, 2.0, 1.0])  # it counts up to there
    alone = make([("Other", 0.4, [("It rests.", 1.0)])], {"driftnet": 1.0})
    assert gate._standing_out(asked, alone) == pytest.approx([0.4, 0.35, 5.0, 0.0])


class OneHot:
    """Tokens are white-space words; a vector is one-hot by the word's first letter."""

    def knows(self, word):
        return True

    def embed_tokens(self, text):
        vectors, offsets, at = [], [], 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            vectors.append(np.eye(128, dtype=np.float32)[ord(word[0].lower()) % 128])
            offsets.append((start, at))
        return TokenVectors(np.array(vectors), np.array(offsets))


def test_words_are_met_by_stem_or_by_vector():
    found = interact(analyse("driftnet gpu frames zebra"), DRIFT, 0, 2, OneHot())
    met = dict(zip(found.stems, found.anywhere, strict=True))
    assert met["driftnet"] == met["frame"] == 1.0  # stems of the sentence
    assert met["gpu"] == met["zebra"] == 0.0  # no word begins like them
    assert found.numbered.tolist() == [True, False]
    assert 0 < found.closeness < 1


def test_without_token_vectors_only_stems_count():
    found = interact(analyse("driftnet gpu frames"), DRIFT, 0, 2, None)
    assert found.anywhere.tolist() == [1.0, 0.0, 1.0] and found.closeness == 0.0


@pytest.mark.parametrize("question", ["driftnet", "🙂", "How many frames per second?", "what is what"])
def test_sentence_features_are_finite(question):
    weights = {stem: 1.0 for stem in analyse(question).stems}
    evidence = make([("T", 1.0, [("Forty frames.", 1.0), ("", 0.0), ("Nothing here.", 0.0)])][:1], weights)
    rows = sentence_features(analyse(question), evidence)
    assert rows.shape == (3, len(SENTENCE_FEATURES)) and np.isfinite(rows).all()


@pytest.mark.parametrize(
    ("question", "stranger"),
    [
        ("How does AlphaFold fold?", True),
        ("How does mRNAseq work?", True),
        ("How does DriftNet work?", False),
        ("What GPU was DriftNet run on?", False),
        ("how does alphafold fold?", False),
    ],
)
def test_a_coined_name_of_no_paper_is_a_stranger(question, stranger):
    evidence = make([("DriftNet for sand", 1.0, [("DriftNet drifts.", 1.0)])])
    unknown = frozenset(analyse(question).stems) - {"driftnet"}
    assert names_a_stranger(analyse(question), dataclasses.replace(evidence, unknown=unknown)) is stranger


def test_the_denial_of_a_word_that_most_papers_hold_denies_no_premise():
    common = replace(DRIFT, weights={**DRIFT.weights, "label": 0.05})
    assert contradiction(analyse("Why does DriftNet need labels for sand?"), common) is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), None),
        (
            ("eels",),
            "This answers a part of the question. The 1,200 abstracts searched gave no answer to “eels”.",
        ),
        (
            ("how do eels swim?", "x " * 200),
            "This answers a part of the question. The 1,200 abstracts searched gave no answer to “how do eels "
            f"swim?” and “{'x ' * 59}…”.",
        ),
    ],
)
def test_parts_without_an_answer_are_named_in_one_line(parts, expected):
    assert gate.unanswered(parts, 1200) == expected
