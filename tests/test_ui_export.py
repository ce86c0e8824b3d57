"""Answers exported for other programs: what is cited comes out, and no text breaks out of its field."""

import json
import re
from dataclasses import replace

import bibtexparser
import pytest
from bibtexparser.middlewares import SeparateCoAuthors
from citewell.errors import UsageError
from citewell.types import Citation, Paper, Sentence
from citewell_ui.export import MEDIA_TYPES, export
from citewell_ui.export.bibtex import keys
from citewell_ui.export.markdown import escape
from citewell_ui.export.tex import to_tex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from sample_answers import ANSWER, REFUSAL

PAPER = Paper(
    "FreeNoise",
    "It is so.",
    "p1",
    authors=("Ludwig van Beethoven", "OpenAI"),
    year=2024,
    url="https://arxiv.org/abs/2310.15169",
    doi="10.48550/arXiv.2310.15169",
    arxiv_id="2310.15169v2",
    categories=("cs.CV", "cs.AI"),
)
PAPERS = {"p1": PAPER, "other": Paper("Not cited", "It is not.", "other")}
# The fields in use here, as csl-data.json of CSL 1.0.2 has them; it knows no others than its own.
_NAME = {
    "type": "object",
    "properties": {
        part: {"type": "string", "minLength": 1} for part in ("family", "given", "suffix", "literal")
    },
    "additionalProperties": False,
    "minProperties": 1,
}
_ITEM = {
    "type": "object",
    "required": ["type", "id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": ["string", "number"]},
        "type": {"enum": ["article"]},
        **{name: {"type": "string"} for name in ("title", "archive", "archive_location", "DOI", "URL")},
        "author": {"type": "array", "items": _NAME},
        "issued": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "date-parts": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 2,
                    "items": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}},
                }
            },
        },
    },
}
CSL = Draft202012Validator({"type": "array", "items": _ITEM})
hostile = st.text(
    st.sampled_from("\\{}[]()<>$%&#_^~\"'`*|!@:/.-+=,;\n\r\t \x00\x85\u2028\u202e\udc80aä中1")
    | st.characters(exclude_categories=()),
    min_size=1,
    max_size=30,
)
papers = st.builds(
    Paper,
    title=hostile,
    abstract=st.just("It is so."),
    paper_id=st.just("p1"),
    authors=st.lists(hostile, max_size=3).map(tuple),
    year=st.none() | st.integers(1900, 2030),
    url=st.none() | hostile | hostile.map("https://example.org/{}".format),
    doi=st.none() | hostile,
    arxiv_id=st.none() | hostile | st.just("2310.15169"),
    categories=st.lists(hostile, max_size=2).map(tuple),
)


def only(paper):
    """The answer that cites nothing but this paper, which is still there."""
    citation = replace(ANSWER.citations[0], title=paper.title, quote=paper.title, url=paper.url)
    sentence = Sentence(paper.title, (1,), "verified")
    return replace(ANSWER, question=paper.title, sentences=(sentence,), citations=(citation,))


def entries(text):
    library = bibtexparser.parse_string(text)
    assert not library.failed_blocks
    assert len(library.blocks) == len(library.entries)
    return library.entries


def rendered(text):
    """The tokens that a reader of Markdown sees, as a flat list."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [inner for token in tokens for inner in [token, *(token.children or [])]]


def shown(text):
    return "".join(token.content for token in rendered(text) if token.type in {"text", "text_special"})


# --- all formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, name",
    [
        ("markdown", "citewell-how-fast-is-it.md"),
        ("bibtex", "citewell-how-fast-is-it.bib"),
        ("csl", "citewell-how-fast-is-it.csl.json"),
        ("json", "citewell-how-fast-is-it.json"),
    ],
)
def test_a_file_has_the_name_of_the_first_question(kind, name):
    assert export(kind, [ANSWER, REFUSAL], PAPERS)[0] == name
    assert kind in MEDIA_TYPES


@settings(deadline=None)  # the machine may be slow
@given(hostile)
def test_a_name_is_fit_for_every_file_system(question):
    name, _ = export("json", [replace(ANSWER, question=question)], {})
    assert re.fullmatch(r"citewell(-[a-z0-9]+)*\.json", name)


def test_what_cannot_be_exported_is_refused():
    with pytest.raises(UsageError, match="'pdf'. Choose one of markdown"):
        export("pdf", [ANSWER], PAPERS)
    with pytest.raises(UsageError, match="no answer"):
        export("json", [], PAPERS)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_refusal_and_an_uncited_paper_leave_no_reference(kind):
    text = export(kind, [REFUSAL], PAPERS)[1]
    assert "Not cited" not in text
    assert "2310.15169" not in text


@settings(deadline=None)  # the machine may be slow
@given(papers)
def test_no_text_keeps_a_file_from_being_written_and_parsed(paper):
    answer = only(paper)
    for kind in MEDIA_TYPES:
        export(kind, [answer, answer], {"p1": paper})[1].encode()
    items = json.loads(export("csl", [answer], {"p1": paper})[1])
    CSL.validate(items)
    assert [item["id"] for item in items] == ["p1"]


@settings(deadline=None)  # the machine may be slow
@given(papers)
def test_the_json_is_the_answer(paper):
    answer = only(paper)
    assert json.loads(export("json", [answer], {})[1]) == answer.to_dict()
    assert json.loads(export("json", [answer, REFUSAL], {})[1]) == [answer.to_dict(), REFUSAL.to_dict()]


# --- BibTeX ----------------------------------------------------------------------------------------------


def test_bibtex_has_what_is_known_of_the_cited_papers_once():
    first, second = entries(export("bibtex", [ANSWER, ANSWER, REFUSAL], PAPERS)[1])
    assert first.key == "vanbeethoven-2024-freenoise"
    assert {field.key: field.value for field in first.fields} == {
        "title": "{FreeNoise}",
        "author": "van Beethoven, Ludwig and {OpenAI}",
        "year": "2024",
        "eprint": "2310.15169",
        "archiveprefix": "arXiv",
        "primaryclass": "cs.CV",
        "doi": "10.48550/arXiv.2310.15169",
        "url": "https://arxiv.org/abs/2310.15169",
    }
    assert (second.key, [field.key for field in second.fields]) == ("freelong", ["title"])


def test_a_paper_that_is_gone_is_known_from_its_citation():
    gone = replace(ANSWER, citations=(replace(ANSWER.citations[0], url=PAPER.url),))
    (entry,) = entries(export("bibtex", [gone], {})[1])
    assert {field.key: field.value for field in entry.fields} == {
        "title": "{FreeNoise}",
        "eprint": "2310.15169",
        "archiveprefix": "arXiv",
        "url": "https://arxiv.org/abs/2310.15169",
    }


@settings(deadline=None)  # the machine may be slow
@given(papers)
@example(
    replace(
        PAPER, title="}, year = {1", authors=("} and {x", "a\\"), doi="10.1/}\n@misc{b,", url="https://a/}"
    )
)
def test_no_field_of_bibtex_breaks_out(paper):
    (entry,) = entries(export("bibtex", [only(paper)], {"p1": paper})[1])
    allowed = {"title", "author", "year", "eprint", "archiveprefix", "primaryclass", "doi", "url"}
    assert {field.key for field in entry.fields} <= allowed
    assert re.fullmatch(r"[a-z0-9_-]+", entry.key)
    assert entry.fields_dict["title"].value.startswith("{")
    assert "\n" not in "".join(field.value for field in entry.fields)
    if "author" in entry.fields_dict:
        separate = SeparateCoAuthors()._transform_field_value(entry.fields_dict["author"].value)
        assert len(separate) == sum(bool(author.strip()) for author in paper.authors)


@settings(deadline=None)  # the machine may be slow
@given(st.lists(papers, min_size=2, max_size=4))
def test_keys_are_unique_and_independent_of_the_order(some):
    some = [replace(paper, paper_id=f"p{number}") for number, paper in enumerate(some)]
    made = dict(zip((paper.paper_id for paper in some), keys(some), strict=True))
    assert len(set(made.values())) == len(some)
    assert [made[paper.paper_id] for paper in some[::-1]] == keys(some[::-1])


@pytest.mark.parametrize(
    "paper, key",
    [
        (
            Paper("Attention Is All You Need", "", authors=("Ashish Vaswani",), year=2017),
            "vaswani-2017-attention",
        ),
        (Paper("An Alternative Conception", "", authors=("Paul Erd\\H{o}s",)), "erdos-alternative"),
        (Paper("On Distillation of Guided Diffusion Models", ""), "distillation-guided-diffusion"),
        (Paper("中文", "", "p1"), "paper_f64551fc"),
    ],
)
def test_a_key_is_made_from_author_year_and_word(paper, key):
    assert keys([paper]) == [key]


def test_papers_of_the_same_natural_key_are_told_apart_by_their_ids():
    twins = [replace(PAPER, paper_id="p1"), replace(PAPER, paper_id="p2")]
    assert all(re.fullmatch(r"vanbeethoven-2024-freenoise_[0-9a-f]{8}", key) for key in keys(twins))


@pytest.mark.parametrize(
    "text, tex",
    [
        ("R&D at 50% of #1_x", r"R{\&}D at 50{\%} of {\#}1{\_}x"),
        ("Kühn – Erdős", r"K{\"u}hn {\textendash} Erd{\H{o}}s"),
        (r"Schr\"odinger \& \v{S}", r"Schr{\"o}dinger {\&} {\v{S}}"),
        (r"Schr{\"o}dinger, Wroc{\l}aw, {\'\i}", r"Schr{\"o}dinger, Wroc{\l}aw, {\'\i}"),
        (r"A bound with $\ell_\infty^{2}$ guarantee", r"A bound with $\ell_\infty^{2}$ guarantee"),
        (r"\(x \to y\)", r"$x \to y$"),
        ("$α$", r"$\ensuremath{\alpha}$"),
        ("$5 or $10", r"{\$}5 or {\$}10"),
        ("{", r"{\textbraceleft}"),
        ("Иван 中文", "Иван 中文"),
    ],
)
def test_text_is_written_for_tex_and_formulas_are_kept(text, tex):
    assert to_tex(text) == tex


@pytest.mark.parametrize(
    "formula",
    [
        r"\input{/etc/passwd}",
        r"\write18{ls}",
        r"\csname input\endcsname",
        "^^5cinput{x}",
        "a%b",
        "a#1",
        "x_{1",
        "}x{",
        r"\{a\}",
        r"\def\x{y}",
    ],
)
def test_what_is_not_mathematics_is_no_formula(formula):
    tex = to_tex(f"${formula}$")
    assert tex.startswith(r"{\$}")
    assert not re.search(r"\\(input|write|csname|def)|\^\^|(?<!\\)[%#]", tex)


# --- CSL -------------------------------------------------------------------------------------------------


def test_csl_has_what_is_known_of_the_cited_papers():
    items = json.loads(export("csl", [ANSWER], PAPERS)[1])
    CSL.validate(items)
    assert items == [
        {
            "id": "p1",
            "type": "article",
            "title": "FreeNoise",
            "author": [{"family": "van Beethoven", "given": "Ludwig"}, {"literal": "OpenAI"}],
            "issued": {"date-parts": [[2024]]},
            "archive": "arXiv",
            "archive_location": "2310.15169",
            "DOI": "10.48550/arXiv.2310.15169",
            "URL": "https://arxiv.org/abs/2310.15169",
        },
        {"id": "p2", "type": "article", "title": "FreeLong"},
    ]


# --- Markdown --------------------------------------------------------------------------------------------


def test_markdown_has_the_sentences_and_under_each_reference_its_quote():
    text = export("markdown", [ANSWER], PAPERS)[1]
    assert "It is 1.2 times as fast. \\[1\\]\\[2\\] It is so. \\[1\\]" in text
    reference = "\\[1\\] FreeNoise. Ludwig van Beethoven; OpenAI. 2024. <https://arxiv.org/abs/2310.15169>"
    assert f"{reference}\n\n> It is so.\n\n\\[2\\] FreeLong.\n\n> 1\\.2 times\n" in text
    assert "> **Note:** One line." in text
    assert "Understood as: How fast is FreeNoise?" in text


def test_markdown_marks_what_is_no_answer():
    text = export("markdown", [REFUSAL, replace(ANSWER, error="The model fell silent.")], PAPERS)[1]
    assert text.startswith("# Conversation: 2 questions\n\n## How fast is it?")
    assert (
        "> **Not answered:** None reports it.\n\nNearest papers, which are not an answer:\n\n- FreeNoise"
        in text
    )
    assert "> **Incomplete:** The model fell silent." in text


@settings(deadline=None)  # the machine may be slow
@given(hostile)
@example("[x](javascript:alert)")
@example("<script>")
@example("1. a")
@example("- a")
@example("&lt;")
@example("    code")
@example("| a |\n|---|")
def test_text_in_markdown_is_text(text):
    tokens = rendered(escape(text))
    assert {token.type for token in tokens} <= {
        "paragraph_open",
        "inline",
        "text",
        "text_special",
        "paragraph_close",
    }


@pytest.mark.parametrize(
    "text", ["a_b_ *c* `d` <e> & &amp; \\f [g](h) $i$ #j k| 1. - !", "1. a", "+ a", "==="]
)
def test_text_in_markdown_is_shown_as_it_is(text):
    assert shown(escape(text)) == text


def test_addresses_and_mentions_in_a_text_do_not_become_links():
    assert escape("https://a.b www.a.b c@a.b #1") == "https\\://a.b www\\.a.b c\\@a.b \\#1"


@settings(deadline=None)  # the machine may be slow
@given(papers)
@example(replace(PAPER, title="<https://evil.example>", url="https://a/?<b>_*[c](d)"))
def test_nothing_but_the_address_of_a_paper_is_a_link(paper):
    tokens = rendered(export("markdown", [only(paper)], {"p1": paper})[1])
    assert not {"html_inline", "html_block", "image", "code_inline", "code_block", "fence", "table_open"} & {
        token.type for token in tokens
    }
    links = [token.attrs["href"] for token in tokens if token.type == "link_open"]
    assert len(links) <= 1
    assert all(link.startswith(("https://", "http://")) for link in links)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil", "x y"]
)
@pytest.mark.parametrize("kind", ["markdown", "bibtex", "csl"])
def test_an_address_that_is_none_of_the_web_is_left_out(kind, url):
    citation = Citation(1, "p1", "FreeNoise", url, "It is so.", 0, 9)
    answer = replace(ANSWER, citations=(citation,), sentences=(Sentence("It is so.", (1,), "quoted"),))
    assert url not in export(kind, [answer], {})[1]
