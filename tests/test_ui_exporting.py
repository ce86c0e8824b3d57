"""Exports hold exactly the cited papers, in formats that their own parsers read, whatever a title holds."""

import json
from dataclasses import replace

import bibtexparser
import pytest
from citewell import Paper
from citewell_ui.exporting import FORMATS, bibtex, exported, markdown
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_answers import ANSWER

PAPERS = [
    Paper(
        "HoneyMap: tracing $x_1$ & lavender",
        "",
        "a",
        authors=("Ada Apis", "Bo van der Berg"),
        year=2024,
        doi="10.1/x_y",
    ),
    Paper("HoneyMap again", "", "b", authors=("Apis, Ada",), year=2024, arxiv_id="2401.00001"),
    Paper("Über 50% of #1 {reefs}", "", "c", authors=("The Reef and Sea Group", "Müller")),
]
FIELDS = ("title", "author", "year", "doi", "eprint", "url")


def parsed(text: str) -> list[dict[str, str]]:
    library = bibtexparser.parse_string(text)
    assert library.failed_blocks == []
    assert len(library.entries) == len(library.blocks)
    return [{"ID": e.key, **{f.key: f.value for f in e.fields}} for e in library.entries]


def test_bibtex_keeps_formulas_and_escapes_what_tex_would_misread():
    first, second, third = parsed(bibtex(PAPERS))
    assert first["title"] == r"{HoneyMap: tracing $x_1$ \& lavender}"
    assert (first["ID"], second["ID"]) == ("apis2024honeymap", "apis2024honeymapa")
    assert first["author"] == "Ada Apis and Bo van der Berg"
    assert second["eprint"] == "2401.00001"
    assert third["title"] == r"{\"Uber 50\% of \#1 \{reefs\}}"
    assert third["author"].startswith("{The Reef and Sea Group} and M")
    assert "year" not in third and "doi" not in third


hostile = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60) | st.sampled_from(
    [
        "}",
        "a}\n@misc{evil, title={x}}",
        "$}$",
        "$a%b$",
        "\\",
        "$\\}$",
        "@string{x = {y}}",
        "%",
        '"',
        "a } b { c",
    ]
)


@given(
    st.lists(
        st.builds(Paper, hostile, st.just(""), hostile, authors=st.tuples(hostile)), min_size=1, max_size=4
    )
)
@settings(max_examples=150, deadline=None)
def test_no_title_or_name_breaks_out_of_its_entry(papers):
    entries = parsed(bibtex(papers))
    assert len(entries) == len(papers)
    assert len({entry["ID"] for entry in entries}) == len(papers)
    assert all(set(entry) <= {"ID", *FIELDS} for entry in entries)


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_cited_papers_are_exported(form):
    papers = {c.paper_id: Paper(c.title, "x", c.paper_id, url=c.url) for c in ANSWER.citations}
    spare = Paper("Never cited at all", "x", "spare")
    text = exported([ANSWER], {**papers, "spare": spare}, form)["text"]
    assert all(citation.title.split()[0] in text for citation in ANSWER.citations)
    assert "Never cited" not in text


@pytest.mark.parametrize("form", ["bibtex", "csl-json"])
def test_a_cited_paper_that_is_gone_is_exported_from_its_citation(form):
    text = exported([ANSWER], {}, form)["text"]
    count = len({citation.paper_id for citation in ANSWER.citations})
    assert len(parsed(text) if form == "bibtex" else json.loads(text)) == count


def test_csl_tells_names_apart_from_groups():
    answer = replace(
        ANSWER, citations=tuple(replace(ANSWER.citations[0], paper_id=p.paper_id) for p in PAPERS)
    )
    first, second, third = json.loads(exported([answer], {p.paper_id: p for p in PAPERS}, "csl-json")["text"])
    assert first["author"] == [{"family": "Apis", "given": "Ada"}, {"family": "Berg", "given": "Bo van der"}]
    assert (first["issued"], first["DOI"]) == ({"date-parts": [[2024]]}, "10.1/x_y")
    assert second["author"] == [{"family": "Apis", "given": "Ada"}]
    assert third["author"] == [{"literal": "The Reef and Sea Group"}, {"literal": "Müller"}]
    assert "issued" not in third


def test_the_json_of_an_answer_is_the_answer_and_of_a_conversation_a_list():
    assert json.loads(exported([ANSWER], {}, "json")["text"]) == json.loads(json.dumps(ANSWER.to_dict()))
    assert len(json.loads(exported([ANSWER, ANSWER], {}, "json")["text"])) == 2


def test_markdown_lists_every_citation_with_its_quote_and_renders_nothing_of_a_title():
    hostile_citation = replace(
        ANSWER.citations[0], title="![x](http://e.example) <b>\n# Head", url="http://a.example/<x>"
    )
    text = markdown(replace(ANSWER, citations=(hostile_citation, *ANSWER.citations[1:])))
    assert "![" not in text.replace("\\!", "") and "<b>" not in text.replace("\\<", "")
    assert "\n# Head" not in text
    assert "<http://a.example/%3Cx%3E>" in text
    for citation in ANSWER.citations[1:]:
        assert f"[{citation.number}] " in text
