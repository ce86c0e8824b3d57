"""What names a live source, what names a file, and what is said about anything else."""

import re
from pathlib import Path

import pytest
from citewell.errors import UsageError
from citewell.live import arxiv, crossref, hf_papers, is_spec, openalex, separate
from citewell.live.spec import parse
from citewell.settings import Settings

DOCS = (Path(__file__).resolve().parents[1] / "docs" / "sources.md").read_text("utf-8")


@pytest.mark.parametrize(
    "text, source",
    [
        ("arxiv:2508.01234", arxiv.Papers(("2508.01234",))),
        ("arXiv:2508.01234v2, cs/0112017", arxiv.Papers(("2508.01234v2", "cs/0112017"))),
        ("arxiv:math.GT/0309136v1 2508.01234 2508.01234", arxiv.Papers(("math/0309136v1", "2508.01234"))),
        ("arxiv:https://arxiv.org/pdf/2508.01234v3.pdf", arxiv.Papers(("2508.01234v3",))),
        ("arxiv:cat:cs.IR AND abs:retrieval", arxiv.Search("cat:cs.IR AND abs:retrieval")),
        ("arxiv:2508.01234 and friends", arxiv.Search("2508.01234 and friends")),
        ("hf-papers:2025-08-22", hf_papers.DailyPapers(("2025-08-22",))),
        ("hf-papers: 2025-08-22, 2025-08-21", hf_papers.DailyPapers(("2025-08-22", "2025-08-21"))),
        ("openalex:dense retrieval", openalex.Search((("search", "dense retrieval"),))),
        ("openalex:a=b&search=c", openalex.Search((("search", "a=b&search=c"),))),
        (
            "openalex:filter=publication_year:2024,type:article&search=owls & mice",
            openalex.Search((("filter", "publication_year:2024,type:article"), ("search", "owls & mice"))),
        ),
        ("openalex:W12,w13", openalex.Works(("W12", "W13"))),
        ("openalex:https://openalex.org/W12", openalex.Works(("W12",))),
        ("doi:10.1000/ABC", crossref.Dois(("10.1000/abc",))),
        (
            "doi:10.1000/a,b,10.1000/c, https://doi.org/10.1000/d",
            crossref.Dois(("10.1000/a,b", "10.1000/c", "10.1000/d")),
        ),
        (
            "doi:10.1002/(SICI)1096-8644(199601)99:1<1::AID-AJPA1>3.0.CO;2-1",
            crossref.Dois(("10.1002/(sici)1096-8644(199601)99:1<1::aid-ajpa1>3.0.co;2-1",)),
        ),
    ],
)
def test_a_spec_names_what_to_fetch(text, source):
    assert is_spec(text)
    assert parse(text) == (text, source)


@pytest.mark.parametrize(
    "text, cure",
    [
        ("arxvi:2508.01234", "Perhaps you mean arxiv:2508.01234"),
        ("hfpapers:2025-08-22", "Perhaps you mean hf-papers:2025-08-22"),
        ("https://arxiv.org/abs/2508.01234v1", "Write arxiv:2508.01234."),
        ("https://doi.org/10.1000/182", "Write doi:10.1000/182."),
        ("https://papers.example/list", "Check the path, or name a source"),
        ("notes:2024.jsonl", "Neither a file nor a source: notes:2024.jsonl"),
        ("arxiv:", "does not say what to fetch"),
        ("arxiv:all:kites\x1b[2J", "does not say what to fetch"),
        ("hf-papers:2025-8-22", "No date in hf-papers:2025-8-22. Write it like"),
        ("hf-papers:2025-02-30", "No date in hf-papers:2025-02-30"),
        ("openalex:filter=&search=x", "has an empty filter"),
        ("doi:10.1000", "No DOI in doi:10.1000. Write it like doi:10.1000/182"),
        ("doi:10.1000/182, see there", "No DOI in doi:10.1000/182, see there"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_with_the_cure(text, cure):
    with pytest.raises(UsageError) as raised:
        separate([text])
    assert cure in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["C:\\papers\\new.jsonl", "papers.jsonl", "./arxiv:2508.01234", "D:"])
def test_a_path_is_no_spec(text):
    assert not is_spec(text)
    assert separate([text]) == ([Path(text)], [])


def test_an_existing_file_named_like_a_spec_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arxiv:2508.01234").write_text("x")
    assert separate(["arxiv:2508.01234"]) == ([Path("arxiv:2508.01234")], [])


def test_a_path_object_is_a_file_whatever_its_name():
    assert separate([Path("arxiv:2508.01234")]) == ([Path("arxiv:2508.01234")], [])


def test_every_example_of_the_docs_is_a_spec():
    examples = re.findall(
        r"(?m)^\| `'?([^`]+?)'?` \| .*(?:paper|work|search|filter)", DOCS.split("## What a paper")[0]
    )
    assert len(examples) == 8
    assert all(parse(example) for example in examples)


def test_every_setting_of_the_docs_exists():
    named = {name.lower() for name in re.findall(r"CITEWELL_(\w+)", DOCS)}
    assert len(named) == 6 and named <= set(Settings.model_fields)
