"""What the docs say of the code is what the code says."""

from pathlib import Path

import pytest
from citewell.settings import Settings
from citewell_eval.fit import table

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("name", ["gate", "gate-lexical"])
def test_the_curves_shown_are_those_stored(name):
    assert table(name) in (DOCS / "gate.md").read_text("utf-8")


def test_the_operating_point_shown_is_the_default():
    assert f"`gate_threshold` ({Settings().gate_threshold};" in (DOCS / "gate.md").read_text("utf-8")


def test_every_decision_is_in_the_index():
    index = (DOCS / "decisions" / "README.md").read_text("utf-8")
    files = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert files and all(f"]({file.name})" in index for file in files)
