"""Who decides about support: the verifier, a live judge that is asked once, a record that is never exceeded."""

from __future__ import annotations

import pytest
from citewell.embedding.minilm import MiniLM
from citewell.errors import GenerationError, UsageError
from citewell_eval.agreement import kappa
from citewell_eval.judging import LiveJudge, Passage, RecordedJudge, VerifierSupport, verdict_key
from fakes import ScriptedModel
from made_up_outcomes import PAPER
from sklearn.metrics import cohen_kappa_score

PASSAGE = Passage(PAPER, "BeeMap finds 17% more hives.")
YES, NO = '{"supported": true}', 'Well: {"supported": false, "reason": "it does not"}'


@pytest.fixture(scope="module")
def verifier():
    return VerifierSupport(MiniLM())


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("BeeMap  finds 17% more hives.", True),
        ("With BeeMap, 17% more hives are found.", True),
        ("BeeMap finds 71% more hives.", False),
        ("BeeMap finds 17% fewer hives.", False),
        ("Bananas are yellow.", False),
    ],
)
def test_the_verifier_decides_on_what_is_cited(verifier, sentence, supported):
    assert verifier(sentence, [PASSAGE]) is supported


def test_a_live_judge_is_asked_once_and_its_verdicts_are_kept(tmp_path):
    model = ScriptedModel(YES, NO, "no idea")
    judge = LiveJudge(model, tmp_path / "v.jsonl")
    assert [judge(text, [PASSAGE]) for text in ("one", "two", "three", "two")] == [True, False, False, False]
    assert len(model.asked) == 3 and PASSAGE.quote in model.asked[0]
    replayed = RecordedJudge(tmp_path / "v.jsonl")
    assert replayed.name == "scripted"
    assert [replayed(text, [PASSAGE]) for text in ("one", "two", "three")] == [True, False, False]
    assert [verdict.supported for verdict in replayed.verdicts.values()] == [True, False, None]
    again = LiveJudge(ScriptedModel(), tmp_path / "v.jsonl")
    assert again("one", [PASSAGE])  # nobody is asked


def test_a_missing_verdict_is_an_error_and_no_call(tmp_path):
    LiveJudge(ScriptedModel(YES), tmp_path / "v.jsonl")("one", [PASSAGE])
    replayed = RecordedJudge(tmp_path / "v.jsonl")
    with pytest.raises(UsageError, match="holds no verdict on 'other'.*--judge scripted --record"):
        replayed("other", [PASSAGE])
    with pytest.raises(UsageError, match="holds no verdict"):
        replayed("one", [Passage(PAPER, "Bees like lavender.")])


def test_a_failing_judge_keeps_what_it_said_before(tmp_path):
    judge = LiveJudge(ScriptedModel(YES, GenerationError("down", "server")), tmp_path / "v.jsonl")
    judge("one", [PASSAGE])
    with pytest.raises(GenerationError):
        judge("two", [PASSAGE])
    assert RecordedJudge(tmp_path / "v.jsonl")("one", [PASSAGE])


def test_verdicts_are_kept_by_who_judged_what():
    keys = {
        verdict_key("a", "s", [PASSAGE]),
        verdict_key("b", "s", [PASSAGE]),
        verdict_key("a", "t", [PASSAGE]),
        verdict_key("a", "s", [PASSAGE, PASSAGE]),
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("text", "said"), [("{}", r"v\.jsonl:1 is no recorded verdict"), ("", "verdicts of 0 judges")]
)
def test_a_damaged_record_is_named(tmp_path, text, said):
    (tmp_path / "v.jsonl").write_text(text)
    with pytest.raises(UsageError, match=said):
        RecordedJudge(tmp_path / "v.jsonl")


def test_kappa_is_that_of_scikit_learn():
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert kappa(pairs) == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))
    assert kappa([(True, False), (True, True)]) == 0
    assert kappa([(True, True)]) != kappa([(True, True)])  # nan: both always say the same
