"""What the docs say of the code is what the code says."""

import re
from pathlib import Path

import pytest
from citewell.citations import Cited, Claim
from citewell.embedding.minilm import MiniLM
from citewell.settings import Settings
from citewell.types import Rejected
from citewell.verification import support, verify
from citewell_eval.fit import table
from citewell_eval.support import as_source, judged_markdown, markdown, stored

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLE = re.compile(
    r'^\| (?P<number>\d+) \| `(?P<check>\w+)` \|.*\| "(?P<sentence>[^"]+)"'
    r'(?: citing (?:source (?P<source>\d+)|"(?P<quote>.+)"))? \|$',
    re.MULTILINE,
)
EXAMPLES = list(EXAMPLE.finditer((DOCS / "verifier.md").read_text("utf-8")))


@pytest.mark.parametrize("name", ["gate", "gate-lexical"])
def test_the_curves_shown_are_those_stored(name):
    assert table(name) in (DOCS / "gate.md").read_text("utf-8")


def test_the_operating_point_shown_is_the_default():
    assert f"`gate_threshold` ({Settings().gate_threshold};" in (DOCS / "gate.md").read_text("utf-8")


def test_every_decision_is_in_the_index():
    index = (DOCS / "decisions" / "README.md").read_text("utf-8")
    files = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert files and all(f"]({file.name})" in index for file in files)


def test_the_tables_of_the_verifier_are_those_stored():
    page = (DOCS / "verifier.md").read_text("utf-8")
    found = stored()
    for name, expected in (("table", markdown(found["table"])), ("points", judged_markdown(found["judged"]))):
        between = page.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
        assert between.strip() == expected


def test_the_thresholds_of_the_verifier_are_those_in_use():
    page = " ".join((DOCS / "verifier.md").read_text("utf-8").split())
    assert f"`CONTENT_THRESHOLD` is {support.CONTENT_THRESHOLD}, " in page
    assert f"`POLARITY_THRESHOLD` {support.POLARITY_THRESHOLD}." in page


@pytest.fixture(scope="module")
def tin_films():
    model = MiniLM(threads=1)
    page = (DOCS / "verifier.md").read_text("utf-8")
    abstract = " ".join(line.removeprefix("> ") for line in page.splitlines() if line.startswith("> "))
    return as_source("Tin films on glass", abstract, model), model


def test_every_check_of_the_verifier_has_an_example():
    rows = re.findall(r"(?m)^\| (\d+) \|", (DOCS / "verifier.md").read_text("utf-8"))
    assert [example["number"] for example in EXAMPLES] == rows
    assert rows == [str(number) for number in range(1, len(rows) + 1)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["number"])
def test_the_example_of_a_check_is_withheld_by_it(example, tin_films):
    source, model = tin_films
    cited = Cited(int(example["source"] or 1), example["quote"])
    (verdict,) = verify(Claim(example["sentence"], (cited,)), [source], model)
    assert isinstance(verdict, Rejected), verdict
    assert verdict.check == example["check"], verdict.reason
