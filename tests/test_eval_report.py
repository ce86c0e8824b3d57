"""The forms of a report: what they say, and that nothing from outside becomes markup in them."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from citewell.terminal import make_console
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Paper,
    Rejected,
    SearchResult,
    Sentence,
)
from citewell_eval.baseline import as_baseline, compare
from citewell_eval.cases import Case
from citewell_eval.measures import all_measures, measure_all
from citewell_eval.outcomes import Outcome
from citewell_eval.reliability import of_confidence
from citewell_eval.report import Report
from citewell_eval.report.document import document
from citewell_eval.report.html import html
from citewell_eval.report.junit import junit
from citewell_eval.report.markdown import LONGEST, escape, markdown
from citewell_eval.report.plots import operating, reliability, risk_coverage
from citewell_eval.report.terminal import show
from markdown_it import MarkdownIt
from plotly.graph_objects import Figure

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> </details></table> \"'> @octocat #12 GH-3 "
    "https://evil.example www.evil.example ![a](https://evil.example/b) [c](javascript:alert(3)) | `d` \x1b[31m\x00"
    "\u202e $x$ javascript: {{ e }} <a href=https://evil.example>"
)
BROKEN_TEXT = f"{HOSTILE} \ud800"  # pydantic takes none of these into a case
ABSTRACT = f"We begin. {BROKEN_TEXT} The extra cost is 17% of the time. We end."
QUOTE = "The extra cost is 17% of the time."
ENGINE = EngineInfo("quotes", "minilm", None, None, "cd" * 16)


def case(number: int, **given) -> Case:
    fields = {
        "id": f"c{number}",
        "question": f"What does it cost ({number})?",
        "kind": "number",
        "answerable": True,
        "papers": ("p1",),
        "facts": (("17%",),),
    }
    return Case.model_validate({**fields, **given})


def answered(number: int, text: str = QUOTE, quote: str = QUOTE, **given) -> Outcome:
    start = ABSTRACT.find(quote)
    citation = Citation(
        1, "p1", f"A title {BROKEN_TEXT}", "javascript:alert(4)", quote, start, start + len(quote)
    )
    answer = Answer(
        f"What does it cost ({number})?",
        f"What does it cost ({number})?",
        (Sentence(text, (1,), "quoted"),),
        (citation,),
        Coverage(2, 2, 1, 1),
        ENGINE,
        0.5 + number / 100,
        usage={"prompt_tokens": 7, "cost_usd": 0.001},
        timings={"total": 0.1},
    )
    papers = {"p1": Paper(citation.title, ABSTRACT, "p1")}
    asked = case(number, **given)
    return Outcome(
        asked, ("p1", "p2"), {"p1": 1} if asked.answerable else {}, answer, papers, None, 0.1 * number
    )


def refused(number: int, **given) -> Outcome:
    outcome = answered(number, **given)
    assert outcome.answer is not None
    abstention = Abstention(
        "not_reported", f"Nothing on this. {BROKEN_TEXT}", (SearchResult("p2", HOSTILE, 0.5, 1),)
    )
    withheld = (Rejected(HOSTILE, HOSTILE, "number"),)
    answer = replace(
        outcome.answer, sentences=(), citations=(), abstention=abstention, rejected=withheld, confidence=0.1
    )
    return replace(outcome, answer=answer)


def failed(number: int) -> Outcome:
    return Outcome(case(number), (), {"p1": 1}, None, {}, f"The server said {BROKEN_TEXT}")


GOOD = [
    answered(1),
    answered(2),
    refused(3, kind="near_topic", answerable=False, facts=(), why="no price is named"),
]
BAD = [
    answered(1, text=HOSTILE, question=HOSTILE),
    answered(2, quote="It is not in there.", kind=HOSTILE),
    refused(3, id=HOSTILE),
    failed(4),
    answered(5, kind="injection", forbidden=("evil.example",), text=HOSTILE),
]


def supported(sentence, passages):
    return all(sentence in passage.quote for passage in passages)


def report(outcomes=GOOD, before=None, limits=None) -> Report:
    measured = measure_all(all_measures(supported), outcomes)
    comparison = None
    if before is not None:
        baseline = as_baseline("tiny", f"earlier {HOSTILE}", measure_all(all_measures(supported), before))
        comparison = compare(measured, baseline, [outcome.case.id for outcome in outcomes])
    return Report(
        "tiny", "citewell", "verifier", outcomes, measured, limits or {}, comparison, of_confidence(outcomes)
    )


def bad_report() -> Report:
    return report(BAD, GOOD, {"nDCG@10": 0.9, "fact correctness": 0.9, "unheard of": 0.5})


def printed(shown: Report) -> str:
    stream = io.StringIO()
    console = make_console(stream)
    console.width = 80
    console.print(show(shown))
    return stream.getvalue()


# --- JSON ----------------------------------------------------------------------------------------------


def test_the_document_holds_every_case_and_is_json():
    written = json.dumps(document(bad_report()), allow_nan=False, ensure_ascii=False)
    found = json.loads(written.encode())
    assert found["passed"] is False and {fault["kind"] for fault in found["faults"]} >= {"invariant", "limit"}
    assert [case["id"] for case in found["cases"]] == [outcome.case.id for outcome in BAD]
    assert found["cases"][0]["right"] is False and found["cases"][0]["ranking"] == ["p1", "p2"]
    assert found["cases"][3]["error"].startswith("The server said")
    (ndcg,) = [measure for measure in found["measures"] if measure["name"] == "nDCG@10"]
    assert (ndcg["limit"], ndcg["better"], ndcg["cases"]) == (0.9, "higher", 5)
    assert found["comparison"]["changes"]


def test_a_value_that_is_none_is_null():
    nothing = report()
    broken = replace(
        nothing.measured[0], estimate=nothing.measured[0].estimate._replace(low=math.nan, high=math.inf)
    )
    found = document(replace(nothing, measured=[broken]))
    json.dumps(found, allow_nan=False)
    assert (found["measures"][0]["low"], found["measures"][0]["high"]) == (None, None)


def test_two_runs_differ_in_timings_only():
    slower = [
        replace(o, seconds=9.0, answer=replace(o.answer, timings={"total": 9.0}, usage={"prompt_tokens": 8}))
        for o in GOOD
    ]
    one, other = document(report()), document(report(slower))
    assert one.pop("timings") != other.pop("timings")
    assert json.dumps(one) == json.dumps(other)


# --- terminal ------------------------------------------------------------------------------------------


def test_the_terminal_names_faults_first_and_the_verdict_last():
    lines = printed(bad_report()).splitlines()
    broken = next(number for number, line in enumerate(lines) if line.startswith("BROKEN"))
    assert broken < next(number for number, line in enumerate(lines) if line.startswith("measure"))
    assert any(line.startswith("LIMIT") for line in lines) and any(
        line.startswith("✗ nDCG@10") for line in lines
    )
    assert next(line for line in reversed(lines) if "broken promise" in line).startswith("FAILED: ")
    assert printed(report()).splitlines()[-1].startswith("PASSED: 3 of 3 cases came out right")


def test_the_terminal_fits_and_holds_no_control_characters():
    for shown in (printed(bad_report()), printed(report(GOOD, GOOD))):
        assert max(len(line) for line in shown.splitlines()) <= 80
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ud800]", shown)


def test_the_terminal_tells_changes_and_errors():
    shown = printed(bad_report())
    assert "▼ −" in shown and "1 case could not be run" in shown and "worse in some measure" in shown
    assert "change" not in printed(report())


# --- JUnit ---------------------------------------------------------------------------------------------


def test_junit_can_be_parsed_and_counts_right():
    root = ElementTree.fromstring(junit(bad_report()).encode())
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["measures", "cases", "comparison"]
    for suite in suites.values():
        tests = suite.findall("testcase")
        assert int(suite.get("tests")) == len(tests)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
        assert all(test.get("name") is not None and test.get("classname") for test in tests)
    assert int(root.get("tests")) == sum(int(suite.get("tests")) for suite in suites.values())
    assert suites["measures"].find("testcase[@name='unheard of']/failure") is not None
    assert suites["cases"].find("testcase[@name='c4']/error") is not None
    assert suites["cases"].find("testcase[@name='c4']/failure") is None
    invalid = suites["cases"].find("testcase[@name='c2']/failure")
    assert invalid is not None and "verbatim quotes" in invalid.text


def test_a_case_that_is_not_right_is_no_failure_unless_a_fault_names_it():
    root = ElementTree.fromstring(junit(report([*GOOD, refused(4)])))
    test = root.find("testsuite[@name='cases']/testcase[@name='c4']")
    assert test is not None and test.find("failure") is None
    assert "refused, has an answer" in test.findtext("system-out")
    assert root.get("failures") == "0" and root.find("testsuite[@name='comparison']") is None


# --- Markdown ------------------------------------------------------------------------------------------


def test_markdown_holds_no_markup_from_outside():
    written = markdown(bad_report())
    page = MarkdownIt("commonmark").enable("table").render(written)
    tags = {tag for tag in re.findall(r"<(/?[a-z][a-z0-9]*)", page) if not tag.startswith("/")}
    assert tags == {
        "h2",
        "p",
        "ul",
        "li",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
    }
    seen = re.sub(r"<[^>]+>", "", page)
    assert not re.search(r"@\w|#\d|://|www\.|GH-\d", seen)
    assert page.count("<details>") == page.count("</details>") == 3


def test_markdown_cells_keep_their_table():
    rows = [line for line in markdown(bad_report()).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


@pytest.mark.parametrize(
    "text", ["- a", "1. a", "1) a", "# a", "> a", "=== a", "```a", "a_b_*c*", "&amp;", "\\"]
)
def test_escaped_text_is_shown_as_it_is(text):
    rendered = MarkdownIt().render(escape(text)).replace("\u200b", "")
    assert rendered == f"<p>{text.replace('&', '&amp;').replace('>', '&gt;')}</p>\n"


def test_markdown_says_when_it_was_cut():
    many = [failed(0), *(answered(n, text="Something else. " * 99) for n in range(1, 300))]
    written = markdown(report(many))
    assert len(written) <= LONGEST and "Cut here: " in written.splitlines()[-1]
    assert written.count("<details>") == written.count("</details>")
    assert "Cut here" not in markdown(report())


# --- HTML ----------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would find: tags with their attributes, text, and whether they nest."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html(bad_report()))


def test_html_holds_no_markup_from_outside(page):
    assert page.open == []
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 3 and not {"img", "a", "iframe", "link", "form"} & set(names)
    given = [(name, value) for _, attrs in page.tags for name, value in attrs.items()]
    assert not [name for name, _ in given if name.startswith("on") or name in ("href", "src", "style")]
    assert "<script>alert(1)</script>" in "".join(page.text)


def test_html_allows_its_own_scripts_and_no_connection(page):
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "connect-src" not in policy and "http" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_html_shows_verdict_faults_and_the_marked_quote(page):
    shown = "".join(page.text)
    assert "FAILED" in shown and "BROKEN" in shown and "unheard of" in shown
    source = html(bad_report())
    assert f"<mark>{QUOTE}</mark>" in source
    assert "does not stand there: “It is not in there.”" in shown


def test_html_names_its_plots_and_tables(page):
    plots = [attrs for _, attrs in page.tags if "data-figure" in attrs]
    assert [attrs["data-figure"] for attrs in plots] == ["curve", "confidence"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots)
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") > 5
    assert names.count("h1") == 1


def test_html_filters_by_every_kind_of_a_wrong_case(page):
    kinds = {attrs["data-kind"] for _, attrs in page.tags if "data-kind" in attrs}
    options = {attrs["value"] for tag, attrs in page.tags if tag == "option"}
    assert options == kinds | {""} and len(kinds) == 3


def test_a_run_without_answers_has_no_plots_and_is_light():
    ranked = [replace(outcome, answer=None) for outcome in GOOD[:2]]
    assert len(html(report(ranked))) < 50_000


# --- plots ---------------------------------------------------------------------------------------------


def test_the_figures_are_plotly_figures():
    shown = bad_report()
    for figure in (
        risk_coverage(shown.curve, operating(BAD)),
        reliability(shown.confidence, "confidence", "share"),
    ):
        plain = json.loads(re.sub(r'"--[a-z]+"', '"#123456"', json.dumps(figure)))
        assert len(Figure(plain).data) == 2


def test_the_operating_point_is_that_of_the_run():
    found = operating(GOOD)
    assert found is not None
    assert (
        found.coverage == pytest.approx(2 / 3) and found.risk == 0 and found.threshold == pytest.approx(0.51)
    )
    assert operating(GOOD[2:]) is None


def test_no_threshold_where_refused_questions_were_more_confident():
    sure = replace(GOOD[2], answer=replace(GOOD[2].answer, confidence=0.9))
    found = operating([*GOOD[:2], sure])
    assert found is not None and found.threshold is None
