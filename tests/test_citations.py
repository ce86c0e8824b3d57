"""Numbers run by first mention, and a quote that is not there is never cited."""

from citewell.citations import Draft, Numbering, Quote, cited_papers, verify_quote
from citewell.types import Paper, Rejected, Span

PAPER = Paper("Title", "First sentence. Second sentence.", paper_id="p")


def quote(start, end, text=None):
    return Quote(PAPER, Span(start, end), PAPER.abstract[start:end] if text is None else text)


def test_numbers_run_by_first_mention_and_repeat_for_the_same_quote():
    numbering = Numbering()
    first, fresh = numbering.cite(Draft("a", (quote(16, 32),), "quoted"))
    again, none = numbering.cite(Draft("b", (quote(16, 32), quote(0, 15)), "quoted"))
    assert (first.citations, again.citations) == ((1,), (1, 2))
    assert [c.number for c in (*fresh, *none)] == [1, 2]
    assert all(PAPER.abstract[c.start : c.end] == c.quote for c in (*fresh, *none))
    assert cited_papers([*fresh, *none]) == 1


def test_an_altered_quote_is_rejected_with_its_reason():
    rejected = Numbering().cite(Draft("a", (quote(0, 15, "First sentence!"),), "quoted"))
    assert isinstance(rejected, Rejected)
    assert "0:15" in rejected.reason


def test_ranges_outside_the_abstract_are_refused():
    for span in (Span(-1, 3), Span(0, 99), Span(5, 5), Span(7, 3)):
        assert verify_quote(Quote(PAPER, span, "")) is not None


def test_a_sentence_without_a_quote_is_rejected():
    assert isinstance(Numbering().cite(Draft("a", (), "quoted")), Rejected)


def test_a_rejected_sentence_uses_up_no_number():
    numbering = Numbering()
    numbering.cite(Draft("a", (quote(0, 15), quote(16, 32, "no")), "quoted"))
    sentence, _ = numbering.cite(Draft("b", (quote(16, 32),), "quoted"))
    assert sentence.citations == (1,)
