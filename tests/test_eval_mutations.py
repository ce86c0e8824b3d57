"""Whatever is broken on purpose, the suite finds it: exit status 1, and the measure that says why.

The cases are a part of the sample suite, compared with its committed baseline through the command itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant
from citewell.citations import Numbering
from citewell.errors import UsageError
from citewell.library import Library
from citewell.library.lexical import LexicalScores
from citewell.types import Rejected
from citewell.verification import numbers
from citewell_eval.cases import Case
from citewell_eval.command import run
from citewell_eval.comparing import HEADLINES, contend
from citewell_eval.judging import VerifierSupport
from citewell_eval.suites import load_suite
from citewell_eval.systems import open_systems

SUITE = load_suite()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    with Assistant.open(folder) as assistant:
        assistant.ingest(SUITE.corpus)
    return folder


def gate(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], chosen: Callable[[Case], bool]
) -> tuple[int, str]:
    """Runs the suite over some cases; returns the exit status and what is printed."""
    cases = [case for case in SUITE.cases if chosen(case)]
    (tmp_path / "cases.jsonl").write_text("\n".join(case.model_dump_json() for case in cases), "utf-8")
    (tmp_path / "s.toml").write_text(
        f'[part]\ncases = ["cases.jsonl"]\nbaseline = {json.dumps(str(SUITE.baseline))}'
    )
    status = run([str(tmp_path / "s.toml"), "--data-dir", str(data_dir)], print)
    return status, " ".join(capsys.readouterr().out.split())


def asked(case: Case) -> bool:
    return not case.writes and not case.history


def scripted(case: Case) -> bool:
    return case.kind == "model" and int(case.id[-3:]) % 2 == 0


def a_third(case: Case) -> bool:
    return asked(case) and int(case.id[-3:]) % 3 == 0


def test_as_it_is_it_passes(tmp_path, data_dir, capsys):
    status, said = gate(tmp_path, data_dir, capsys, a_third)
    assert status == 0, said


def test_without_bm25_the_ranking_is_worse(tmp_path, data_dir, capsys, monkeypatch):
    nothing = LexicalScores(np.empty(0, dtype=np.int64), np.empty(0), 0.0)
    monkeypatch.setattr(Library, "lexical", lambda *_: nothing)
    status, said = gate(tmp_path, data_dir, capsys, asked)
    assert status == 1 and "nDCG@10 changed by -" in said


def test_with_citation_numbers_shifted_by_one_they_are_invalid(tmp_path, data_dir, capsys, monkeypatch):
    cite = Numbering.cite

    def shifted(self, draft):
        found = cite(self, draft)
        if isinstance(found, Rejected):
            return found
        return replace(found[0], citations=tuple(n + 1 for n in found[0].citations)), found[1]

    monkeypatch.setattr(Numbering, "cite", shifted)
    status, said = gate(tmp_path, data_dir, capsys, a_third)
    assert status == 1 and "citation validity has to be perfect" in said


def test_with_the_gate_off_refusals_are_worse(tmp_path, data_dir, capsys, monkeypatch):
    monkeypatch.setenv("CITEWELL_GATE_THRESHOLD", "0")
    status, said = gate(tmp_path, data_dir, capsys, a_third)
    assert status == 1 and "refusal F1 changed by -" in said


def test_without_the_number_check_false_sentences_are_shown(tmp_path, data_dir, capsys, monkeypatch):
    monkeypatch.setattr(numbers, "problem", lambda *_: None)
    status, said = gate(tmp_path, data_dir, capsys, scripted)
    assert status == 1 and "false sentences shown changed by +" in said


def test_the_verdicts_of_a_language_model_are_replayed_and_none_may_be_missing(tmp_path, data_dir, capsys):
    """SmolLM2 gave them once; whoever changes the judge's prompt or the scripted cases records them again."""
    recorded = Path(__file__).parents[1] / "eval" / "verdicts" / "smollm2.jsonl"
    options = ["judges", "--data-dir", str(data_dir), "--json", str(tmp_path / "j.json")]
    assert run([*options, "--verdicts", str(recorded)], print) == 0
    lines = recorded.read_text("utf-8").splitlines()
    (agreement,) = json.loads((tmp_path / "j.json").read_text("utf-8"))
    supported = [json.loads(line)["supported"] for line in lines]
    assert 0 < agreement["said_supported"] < 1 and {True, False} <= set(supported)
    (tmp_path / "fewer.jsonl").write_text("\n".join(lines[1:]) + "\n", "utf-8")
    with pytest.raises(UsageError, match="holds no verdict"):
        run([*options, "--verdicts", str(tmp_path / "fewer.jsonl")], print)
    capsys.readouterr()


def test_citewell_is_ahead_of_every_system_that_needs_no_model(data_dir):
    """As README.md has it: of all in four measures, with intervals apart in three for those of the issue."""
    names = ("citewell", "bm25", "dense", "llamaindex", "llamaindex-cutoff")
    with Assistant.open(data_dir, create=False) as assistant:
        support = VerifierSupport(assistant.token_embedder())
        ours, *others = contend(assistant, open_systems(names, assistant), SUITE.cases, support)
    for other in others:
        pairs = [(ours.estimate(name), other.estimate(name)) for name in HEADLINES]
        assert all(one.value > two.value for one, two in pairs), other.name
        if "cutoff" not in other.name:
            assert sum(one.low > two.high for one, two in pairs) >= 3, other.name
