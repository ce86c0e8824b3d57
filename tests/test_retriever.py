"""Fusion is pure arithmetic; retrieval over a real collection finds what it must and breaks ties by id."""

import numpy as np
import pytest
from citewell import Assistant, Filters, Listing, Paper
from citewell.errors import UsageError
from citewell.library import StoredPassages
from citewell.retriever import Candidate, check_question, keep

TOPICS = ["lavender bees", "glacier melt", "tax policy", "coral reefs", "violin making", "sand dunes"]


@pytest.fixture(scope="module")
def assistant():
    papers = [
        Paper(
            f"On {topic} number {n}",
            f"We study {topic} in region {n}. The effect of {topic} is measured over {n + 2} years.",
            listings=(Listing(f"page{n % 3}", f"Aug {10 + n}"),),
            year=2000 + n,
            authors=(f"Ada {topic.split()[0].title()}",),
            categories=("q-bio.PE",) if n % 2 else ("cs.IR", "stat.AP"),
        )
        for n in range(12)
        for topic in TOPICS
    ]
    with Assistant.from_papers(papers) as opened:
        yield opened


def test_a_score_says_how_near_a_paper_is_and_what_share_of_the_words_it_holds(assistant):
    retriever, settings = assistant._retriever, assistant.settings
    best = retriever.retrieve("coral reefs").candidates[0]
    dense = (1 - settings.chunk_weight) * best.abstract_cosine + settings.chunk_weight * best.chunk_cosine
    share = (best.score - settings.dense_weight * dense) / (1 - settings.dense_weight)
    assert 0 < share < 1
    unmet = retriever.retrieve("coral reefs zebra quark gluon").candidates[0]
    assert unmet.bm25 == pytest.approx(best.bm25) and unmet.score < best.score


def test_a_paper_without_vectors_is_judged_by_its_words():
    with Assistant.from_papers(
        [Paper("On dunes", "Dunes drift."), Paper("On bees", "Bees dance.")]
    ) as opened:
        fuse = opened._retriever._fuse
        found = opened._retriever.retrieve("dunes")
        ids = {candidate.row: candidate.paper_id for candidate in found.candidates}
        first = found.candidates[0].row
        (best, other) = fuse(found.query, ids, StoredPassages([], 384), {first: 2.0}, 4.0)
    assert (best.row, best.score, other.score) == (first, 0.5, 0.0)


def test_search_takes_misspelt_words_for_those_of_the_papers(assistant):
    assert "coral reefs" in assistant.search("corall reeffs", k=1)[0].title


@pytest.mark.parametrize(
    ("carried", "top_k", "limit", "expected"),
    [
        (set(), 3, 5, [0, 1, 2, 3, 4]),
        ({6}, 3, 5, [0, 1, 6, 2, 3]),
        ({1, 6}, 3, 5, [0, 1, 6, 2, 3]),
        ({4, 5, 6, 7}, 3, 5, [4, 5, 6, 0, 1]),
        ({99}, 3, 5, [0, 1, 2, 3, 4]),
    ],
)
def test_papers_carried_forward_stand_among_the_first(carried, top_k, limit, expected):
    found = [Candidate(row, f"p{row}", 1 - row / 10, np.nan, np.nan, 0.0) for row in range(8)]
    assert [candidate.row for candidate in keep(found, carried, top_k, limit)] == expected


def test_a_paper_carried_forward_is_found_for_any_words_but_must_pass_the_filters(assistant):
    retriever = assistant._retriever
    far = assistant.search("tax policy", k=1)[0].paper_id
    found = retriever.retrieve("zebra", carried=[far, "no such paper"])
    assert far in [candidate.paper_id for candidate in found.candidates[:8]]
    year = assistant.show(far).year
    kept_out = retriever.retrieve("zebra", Filters(years=(year + 1, None)), [far])
    assert far not in [candidate.paper_id for candidate in kept_out.candidates]


def test_the_papers_of_the_topic_come_first(assistant):
    found = assistant.search("coral reefs", k=12)
    assert all("coral reefs" in result.title for result in found)
    assert [result.rank for result in found] == list(range(1, 13))
    assert all(0 <= result.score <= 1 for result in found)


def test_equal_scores_are_ordered_by_id(assistant):
    found = assistant.search("quantum chromodynamics", k=72)
    pairs = [(-result.score, result.paper_id) for result in found]
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("filters", "keep"),
    [
        (Filters(listings=("page1",)), lambda p: p.listings[0].source == "page1"),
        (
            Filters(since="Aug 15", until="Aug 17"),
            lambda p: p.listings[0].date in {"Aug 15", "Aug 16", "Aug 17"},
        ),
        (Filters(years=(2003, 2005)), lambda p: 2003 <= p.year <= 2005),
        (Filters(years=(None, 2001)), lambda p: p.year <= 2001),
        (Filters(categories=("q-bio",)), lambda p: p.categories == ("q-bio.PE",)),
        (Filters(categories=("stat.AP",)), lambda p: "stat.AP" in p.categories),
        (Filters(authors=("ADA COR",)), lambda p: p.authors == ("Ada Coral",)),
        (Filters(categories=("bio",)), lambda p: False),
    ],
)
def test_a_filter_keeps_exactly_the_papers_it_names(assistant, filters, keep):
    found = {result.paper_id for result in assistant.search("bees in the region", k=100, filters=filters)}
    wanted = {p.paper.paper_id for p in assistant.collection.library.iterate() if keep(p.paper)}
    assert found == wanted


def test_wide_filters_find_the_same_through_the_index_as_exactly(assistant):
    narrow = assistant.settings.model_copy(update={"exact_limit": 1})
    from citewell.retriever import HybridRetriever

    filters = Filters(years=(2002, 2009))
    exact = HybridRetriever(assistant.collection, assistant.settings).retrieve("violin making", filters)
    through = HybridRetriever(assistant.collection, narrow).retrieve("violin making", filters)
    assert [c.paper_id for c in exact.candidates[:8]] == [c.paper_id for c in through.candidates[:8]]


def test_a_date_that_is_none_is_an_error(assistant):
    with pytest.raises(UsageError, match="Cannot read the date 'someday'"):
        assistant.search("bees", filters=Filters(since="someday"))


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_question_is_an_error(text):
    with pytest.raises(UsageError, match="empty"):
        check_question(text, 10)


def test_a_question_beyond_the_limit_is_an_error():
    with pytest.raises(UsageError, match="limit is 10"):
        check_question("x" * 11, 10)


@pytest.mark.parametrize(
    "text", ['"', "NEAR(", "a AND OR NOT", "*", "title:bees", "\0bees", "\ud800 bees", "🙂", "' OR 1=1 --"]
)
def test_no_question_can_break_the_lexical_index(assistant, text):
    assert len(assistant.search(text, k=3)) == 3
