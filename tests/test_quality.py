"""The five listing pages, whole: counts, every promise about citations, and floors under the measured quality.

The floors lie a little below what README.md reports, so that a change that costs quality is seen.
"""

import pytest
from citewell import Assistant
from citewell_eval.judging import VerifierSupport
from citewell_eval.running import evaluate
from citewell_eval.suites import load_suite


@pytest.fixture(scope="module")
def pages(shared, tmp_path_factory):
    with Assistant.open(tmp_path_factory.mktemp("pages")) as assistant:
        first = assistant.ingest([shared / "corpus"])
        yield assistant, first


def test_the_pages_are_counted_right_and_a_second_run_embeds_nothing(pages, shared):
    assistant, first = pages
    assert (first.entries, first.papers, first.duplicates, first.added) == (589, 532, 57, 532)
    again = assistant.ingest([shared / "corpus"])
    assert (again.entries, again.papers, again.unchanged, again.embedded) == (589, 532, 532, 0)


def test_a_repeated_paper_keeps_every_page_it_was_listed_on(pages):
    listed = [paper.listings for _, paper in pages[0].collection.library.iterate()]
    assert sum(map(len, listed)) == 589


@pytest.mark.parametrize("name", ["pages-dev", "pages-held"])
def test_the_suite_passes(pages, name):
    assistant = pages[0]
    embedder = assistant.collection.embedder(assistant.collection.snapshot().manifest)
    report = evaluate(assistant, load_suite(name), VerifierSupport(embedder))
    assert len(report.outcomes) > 200
    assert [fault.message for fault in report.faults] == []
    assert report.errors == {}
