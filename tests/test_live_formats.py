"""Replies of the four services, read: pure functions from bytes to records."""

import json

import pytest
from citewell.live import arxiv, crossref, openalex
from citewell.live.faults import Failed, Trouble
from citewell.live.markup import plain_text, read_xml
from citewell.live.page import Lacking, read_json
from live_server import arxiv_entry, arxiv_error, arxiv_feed, work
from live_server import crossref as crossref_reply

BOMB = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&c;</title></feed>"""
FILE = b"""<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/hostname">]><feed>&x;</feed>"""


def test_an_entry_of_arxiv_becomes_fields():
    entry = arxiv_entry("cs/0112017v2", 1, extra="<arxiv:doi>10.5555/kite</arxiv:doi>")
    feed = arxiv.read_feed(arxiv_feed([entry], 1))
    assert feed.records == (
        {
            "name": "cs/0112017v2",
            "title": "Kites of kind 1 and their tails",
            "abstract": "Paper 1 weighs 1 kites & finds $x^2$ in them.",
            "authors": ["Ada Kite", "Bo Tail"],
            "year": "2025",
            "doi": "10.5555/kite",
            "arxiv_id": "cs/0112017",
            "categories": ["cs.IR", "cs.DL"],
        },
    )


def test_entities_and_latex_stay_as_arxiv_gave_them():
    summary = r"We show $\alpha &lt; \beta$, &amp;amp; that Erd\H{o}s&#39; bound holds.&#x0A;  Withdrawn."
    (record,) = arxiv.read_feed(arxiv_feed([arxiv_entry("2508.00001v1", 1, summary)], 1)).records
    assert (
        record["abstract"] == "We show $\\alpha < \\beta$, &amp; that Erd\\H{o}s' bound holds.\n  Withdrawn."
    )


@pytest.mark.parametrize(
    "body, what",
    [
        (arxiv_feed([], 5), "sent an empty page, although it has 5 results"),
        (arxiv_feed([arxiv_entry("2508.00001v1", 1)], 5)[:-30], "broken XML"),
        (b"<html><body>Rate exceeded.</body></html>", "no feed"),
        (b"<!DOCTYPE html><html></html>", "declares a type"),
        (b"Rate exceeded.", "broken XML"),
        (b"", "broken XML"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>', "does not tell how many"),
        (BOMB, "declares a type"),
        (FILE, "declares a type"),
    ],
)
def test_a_reply_that_is_no_proper_feed_is_trouble(body, what):
    with pytest.raises(Trouble, match=what):
        arxiv.read_feed(body, start=0)


def test_an_error_entry_of_arxiv_says_what_was_wrong():
    with pytest.raises(Failed, match="arXiv refused: incorrect id format for 12") as raised:
        arxiv.read_feed(arxiv_error("incorrect id format for 12"))
    assert raised.value.permanent


def test_deeply_nested_xml_and_json_are_no_crash():
    assert read_xml(b"<a>" * 50_000 + b"</a>" * 50_000).tag == "a"
    with pytest.raises(Trouble):
        read_json(b"[" * 500_000)


@pytest.mark.parametrize(
    "jats, text",
    [
        ("No markup at all", "No markup at all"),
        ("<jats:title>Abstract</jats:title><jats:p>One.</jats:p><jats:p>Two.</jats:p>", "One.\nTwo."),
        (
            "<jats:sec>\n<jats:title>Aims:</jats:title>\n<jats:p>One\n two.</jats:p></jats:sec>"
            "<sec><title>Results.</title><p>Three.</p></sec>",
            "Aims: One two.\nResults: Three.",
        ),
        ("10<jats:sup>-3</jats:sup> m<sup>2</sup> of H<jats:sub>2</jats:sub>O", "10^-3 m^2 of H2O"),
        ("the 1<sup>st</sup> time", "the 1st time"),
        ("p &lt; 0.05 &amp; &amp;lt;b&gt; &eacute;", "p < 0.05 & &lt;b> é"),
        ("a<!-- <p>hidden --> b<?xml-thing ?> c", "a b c"),
        ("<p>one<br/>two<p>three", "one\ntwo\nthree"),
        ("<p>lost <i>end", "lost end"),
        ("</p>stray</i>", "stray"),
        ("if a <b and 3 < 4", "if a <b and 3 < 4"),
        (
            "<p>Let <inline-formula><alternatives><tex-math><![CDATA[\\usepackage{x}\\begin{document}$a<b$"
            "\\end{document}]]></tex-math><mml:math><mml:mi>a</mml:mi></mml:math></alternatives>"
            "</inline-formula> hold.</p>",
            "Let $a<b$ hold.",
        ),
        ("of <alternatives><mml:math><mml:mi>x</mml:mi></mml:math></alternatives> only", "of x only"),
        ("<script>alert(1)</script>", "alert(1)"),  # text like any other: whoever shows it escapes it
    ],
)
def test_jats_becomes_plain_text(jats, text):
    assert plain_text(jats) == text


@pytest.mark.parametrize("jats", ["<p " * 60_000, "<!--" * 50_000, "<![CDATA[" * 20_000, "<sec>" * 40_000])
def test_hostile_markup_is_read_to_its_end(jats):
    assert isinstance(plain_text(jats[:200_000]), str)


def test_a_message_of_crossref_becomes_fields():
    reply = crossref_reply("10.5555/Beech.1")
    assert crossref._read(json.dumps(reply).encode()) == {
        "name": "10.5555/Beech.1",
        "title": "Beech forests in 10.5555/Beech.1",
        "abstract": "Beeches grew 10^3 leaves & more, p < 0.05.",
        "authors": ["Bea Beech", "Forest Group"],
        "year": 2021,
        "doi": "10.5555/Beech.1",
        "url": "https://doi.org/10.5555/Beech.1",
        "categories": [],
    }


@pytest.mark.parametrize(
    "changed, year",
    [
        ({"issued": {"date-parts": [[None]]}, "created": {"date-parts": [[2019, 1, 2]]}}, 2019),
        ({"issued": {"date-parts": []}}, ""),
        ({"issued": None}, ""),
        ({"issued": {"date-parts": [["2020"]]}, "published": {"date-parts": [[2018]]}}, 2018),
    ],
)
def test_the_year_is_the_first_that_crossref_knows(changed, year):
    assert crossref._read(json.dumps(crossref_reply("10.5555/a", **changed)).encode())["year"] == year


@pytest.mark.parametrize(
    "index, abstract",
    [
        ({"owls": [1, 3], "The": [0], "see": [2]}, "The owls see owls"),
        ({}, ""),
        (None, ""),
        ("The owls", ""),
        ({"a": "0", "b": [0, "x", None]}, "b"),
        ({"far": [10**12], "near": [-1]}, "near far"),
        ({"word": list(range(200_000))}, ""),
    ],
)
def test_an_inverted_index_is_put_in_order(index, abstract):
    assert openalex.rebuilt(index) == abstract


def test_a_work_of_openalex_becomes_fields():
    preprint = [{"landing_page_url": None}, {"landing_page_url": "http://arxiv.org/abs/2508.00007"}, None]
    assert openalex.record(work(7, locations=preprint)) == {
        "name": "W7",
        "title": "Owls of barn 7",
        "abstract": "Work 7 counts the owls and the mice of 7 barns .",
        "authors": ["Olga Owl"],
        "year": 2024,
        "doi": "https://doi.org/10.5555/owl.7",
        "arxiv_id": "2508.00007",
        "url": "https://doi.org/10.5555/owl.7",
        "categories": ["Barn Ecology"],
    }


@pytest.mark.parametrize("value", [None, 3, [], {}, {"id": 5}, {"id": "", "title": "x"}])
def test_what_is_no_work_is_told(value):
    assert openalex.record(value) == Lacking("a result of OpenAlex holds no work")


def test_nulls_in_place_of_lists_and_objects_are_empty():
    fields = dict.fromkeys(["doi", "title", "authorships", "locations", "topics", "publication_year"])
    record = openalex.record(work(7, **fields))
    assert record["title"] == "Owls of barn 7"
    assert (record["authors"], record["year"], record["url"]) == ([], "", "https://openalex.org/W7")
