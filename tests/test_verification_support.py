"""Whether quotes support a sentence: by the packaged model's vectors, and by words alone where there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from citewell.chunking import sentence_spans
from citewell.citations import Source
from citewell.embedding import Passages
from citewell.embedding.minilm import MiniLM
from citewell.types import Paper
from citewell.verification import support
from citewell.verification.support import CONTENT, LEXICAL, POLARITY, Support, judge, observe, prepare
from fakes import HashEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

PEARS = (
    "Cold storage slows the ripening of pears. Pears that were kept at four degrees stayed firm for twelve weeks, "
    "while pears kept in a warm cellar turned soft within ten days. Ethylene absorbers did not change the sugar "
    "content of the fruit. Most growers sealed the crates with wax paper."
)
BUSES = (
    "Night buses shorten the journeys of shift workers. In a survey of nine hospitals, nurses who took the night bus "
    "arrived earlier than nurses who walked. Fares were paid by the employer."
)
FIRST, SECOND, THIRD, FOURTH = (PEARS[slice(*span)] for span in sentence_spans(PEARS))
UNRELATED = "Elephants migrate across rivers in the dry season."


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM(threads=2)


def source(number: int, title: str, abstract: str, model: MiniLM | HashEmbedder | None = None) -> Source:
    spans = tuple(sentence_spans(abstract))
    vectors = model.embed_papers([Passages(title, abstract, spans)])[0].chunks if model else None
    return Source(number, Paper(title, abstract, f"p{number}"), spans, vectors)


@pytest.fixture(scope="module")
def pears(minilm: MiniLM) -> Source:
    return source(1, "Storing pears", PEARS, minilm)


@pytest.fixture(scope="module")
def buses(minilm: MiniLM) -> Source:
    return source(2, "Night buses and shift work", BUSES, minilm)


PLAIN = source(1, "Storing pears", PEARS)


def both(sentence: str, quotes: Sequence[str], pears: Source, minilm: MiniLM) -> list[Support]:
    """The verdicts with vectors and without."""
    return [judge(sentence, quotes, [pears], minilm), judge(sentence, quotes, [PLAIN], None)]


@pytest.mark.parametrize(
    "sentence, quotes",
    [
        (FIRST, []),
        (SECOND, []),
        (THIRD, [THIRD]),
        ("Fruit stays firm for twelve weeks at four degrees.", []),
        ("Fruit stays firm for twelve weeks at four degrees.", [SECOND]),
        ("Pears in a warm cellar soften within ten days.", [SECOND]),
        ("Ethylene absorbers had no effect on the sugar content.", [THIRD]),
        ("Most growers closed their crates with wax paper.", [FOURTH]),
    ],
)
def test_what_the_abstract_says_in_the_same_or_other_words_is_supported(
    sentence: str, quotes: list[str], pears: Source, minilm: MiniLM
) -> None:
    for verdict in both(sentence, quotes, pears, minilm):
        assert verdict.supported, verdict
        assert (verdict.check, verdict.reason) == ("content", None)
        assert support.CONTENT_THRESHOLD <= verdict.score <= 1


@pytest.mark.parametrize(
    "sentence",
    [UNRELATED, "Nurses take the night bus.", "Orchard workers prefer electric tractors to horses."],
)
@pytest.mark.parametrize("quotes", [[], [SECOND]])
def test_what_the_abstract_does_not_speak_of_is_not_and_the_reason_tells_what_is_missing(
    sentence: str, quotes: list[str], pears: Source, minilm: MiniLM
) -> None:
    for verdict in both(sentence, quotes, pears, minilm):
        assert (verdict.supported, verdict.check) == (False, "content")
        assert 0 <= verdict.score < support.CONTENT_THRESHOLD
    assert verdict.reason is not None and "\n" not in verdict.reason
    first = next(word for word in sentence.lower().split())
    assert verdict.reason.startswith(f"The quotes do not say this (they do not mention {first}, ")
    assert verdict.reason.endswith("). Stay with what they say.")


def test_the_reason_names_five_words_at_most_each_once(minilm: MiniLM, pears: Source) -> None:
    verdict = judge("Goats, goats, ducks, geese, swans, cranes, storks and herons swim.", [], [pears], minilm)
    assert verdict.reason is not None
    assert "(they do not mention goats, ducks, geese, swans, cranes)" in verdict.reason


def test_a_sentence_without_a_word_is_not_supported_and_names_none(minilm: MiniLM, pears: Source) -> None:
    for verdict in both("\u2026", [], pears, minilm):
        assert (verdict.supported, verdict.reason) == (
            False,
            "The quotes do not say this. Stay with what they say.",
        )


@pytest.mark.parametrize(
    "sentence, quote, reason",
    [
        (
            "Cold storage accelerates the ripening of pears.",
            FIRST,
            'The source says "slows" where the sentence says "accelerates".',
        ),
        (
            "Cold storage does not slow the ripening of pears.",
            FIRST,
            'The sentence says "not" where the source does not.',
        ),
        (
            "Ethylene absorbers changed the sugar content of the fruit.",
            THIRD,
            'The source says "not" where the sentence does not.',
        ),
        (
            "All growers sealed the crates with wax paper.",
            FOURTH,
            'The source says "most" where the sentence says "all".',
        ),
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_the_opposite_of_a_quote_is_a_matter_of_polarity_however_like_it_is(
    sentence: str, quote: str, reason: str, quoted: bool, pears: Source, minilm: MiniLM
) -> None:
    for verdict in both(sentence, [quote] if quoted else [], pears, minilm):
        assert verdict == Support(False, 0.0, "polarity", reason)


def test_the_fitted_polarity_has_its_own_reason(
    pears: Source, minilm: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "POLARITY_THRESHOLD", 1.1)
    verdict = judge(FIRST, [], [pears], minilm)
    assert (verdict.supported, verdict.check) == (False, "polarity")
    assert verdict.reason == "The source seems to say the opposite; keep its meaning."
    assert 0 < verdict.score < 1


@pytest.mark.parametrize("by_vectors", [True, False])
def test_the_threshold_given_decides(by_vectors: bool, pears: Source, minilm: MiniLM) -> None:
    asked = ("Fruit stays firm for months.", [SECOND], [pears if by_vectors else PLAIN])
    embedder = minilm if by_vectors else None
    score = judge(*asked, embedder).score
    assert judge(*asked, embedder, score) == Support(True, score)
    above = judge(*asked, embedder, math.nextafter(score, 2))
    assert (above.supported, above.score, above.check) == (False, score, "content")
    assert judge(UNRELATED, [], [pears], minilm, 0.0).supported


def test_a_threshold_does_not_let_a_contradiction_through(pears: Source, minilm: MiniLM) -> None:
    assert not judge(
        "Cold storage accelerates the ripening of pears.", [FIRST], [pears], minilm, 0.0
    ).supported


# --- what is observed ------------------------------------------------------------------------------------


def test_the_models_see_the_features_they_were_fitted_on(pears: Source, minilm: MiniLM) -> None:
    seen = observe(SECOND, [], [pears], minilm)
    assert seen.by_vectors and set(seen.content) == set(CONTENT) and set(seen.polarity) == set(POLARITY)
    assert support.support_model("support").features == CONTENT
    assert support.support_model("support-lexical").features == LEXICAL
    assert support.support_model("polarity").features == POLARITY
    assert all(math.isfinite(value) for value in [*seen.content.values(), *seen.polarity.values()])


@pytest.mark.parametrize("case", ["no vectors", "no token vectors", "no embedder", "one of two without"])
def test_words_alone_are_compared_where_any_vectors_are_missing(
    case: str, pears: Source, minilm: MiniLM
) -> None:
    hashing = HashEmbedder()
    sources, embedder = {
        "no vectors": ([PLAIN], minilm),
        "no token vectors": ([source(1, "Storing pears", PEARS, hashing)], hashing),
        "no embedder": ([pears], None),
        "one of two without": ([pears, source(2, "Buses", BUSES)], minilm),
    }[case]
    seen = observe(SECOND, [], sources, embedder)
    assert not seen.by_vectors and set(seen.content) == set(LEXICAL)
    assert judge(SECOND, [], sources, embedder).supported
    assert not judge(UNRELATED, [], sources, embedder).supported


def test_a_copy_has_all_words_and_pairs_and_a_stranger_none(pears: Source, minilm: MiniLM) -> None:
    copy, stranger = (observe(sentence, [], [pears], minilm) for sentence in (SECOND, UNRELATED))
    assert copy.content["covered"] == copy.content["known"] == copy.content["pairs"] == 1
    assert copy.content["least_met"] == copy.content["least_known"] == 1
    assert copy.missing == () and copy.content["numbers_missing"] == 0
    assert stranger.content["covered"] == stranger.content["known"] == stranger.content["pairs"] == 0
    assert stranger.missing == ("elephants", "migrate", "across", "rivers", "dry", "season")
    for name in ("best_cosine", "mean_cosine", "evidence_cosine", "least_met", "close", "close_back"):
        assert stranger.content[name] < copy.content[name], name


def test_numbers_that_the_evidence_lacks_are_counted(pears: Source, minilm: MiniLM) -> None:
    ours = observe(
        "It lasted 12 weeks in 40 of 99 cellars.", [], [source(1, "T", "It lasted 12 weeks.")], None
    )
    assert ours.content["numbers_missing"] == 2


def test_the_evidence_is_the_quotes_or_else_the_nearest_sentences_in_order(
    pears: Source, minilm: MiniLM
) -> None:
    sentence = "Wax paper seals the crates, and cold storage slows the ripening of pears."
    for given_source, embedder in ((pears, minilm), (PLAIN, None)):
        assert observe(sentence, [THIRD, SECOND], [given_source], embedder).evidence == (THIRD, SECOND)
        assert observe(sentence, [], [given_source], embedder).evidence == (FIRST, FOURTH)


def test_a_quote_of_another_sentence_lowers_the_score(pears: Source, minilm: MiniLM) -> None:
    sentence = "Fruit stays firm for twelve weeks at four degrees."
    for given_source, embedder in ((pears, minilm), (PLAIN, None)):
        right, wrong = (judge(sentence, [q], [given_source], embedder, 0.0).score for q in (SECOND, FOURTH))
        assert wrong < right


def test_a_quote_may_be_part_of_a_sentence_or_span_two(pears: Source, minilm: MiniLM) -> None:
    part = "Pears that were kept at four degrees stayed firm for twelve weeks"
    sentence = "Fruit stays firm for twelve weeks at four degrees."
    for quote in (part, f"{FIRST} {SECOND}"):
        assert judge(sentence, [quote], [pears], minilm).supported


def test_a_sentence_may_rest_on_several_sources_of_which_neither_says_all(
    pears: Source, buses: Source, minilm: MiniLM
) -> None:
    sentence = (
        "Cold storage slows the ripening of pears and night buses shorten the journeys of shift workers."
    )
    together = judge(sentence, [], [pears, buses], minilm)
    assert together.supported
    for alone in (pears, buses):
        assert judge(sentence, [], [alone], minilm, 0.0).score < together.score
    quotes = [FIRST, "Night buses shorten the journeys of shift workers."]
    assert observe(sentence, quotes, [pears, buses], minilm).missing == ()
    assert judge(sentence, quotes, [pears, buses], minilm).supported


def test_the_order_of_the_sources_does_not_matter(pears: Source, buses: Source, minilm: MiniLM) -> None:
    sentence = "Nurses who took the night bus arrived earlier."
    one, other = (judge(sentence, [], order, minilm) for order in ([pears, buses], [buses, pears]))
    assert one.supported and other.supported and one.score == pytest.approx(other.score, abs=1e-5)


# --- odd evidence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", ["Pears ripen.", "\u2026", FIRST])
def test_without_evidence_nothing_is_supported(sentence: str, minilm: MiniLM) -> None:
    empty = Source(3, Paper("Storks", "", "p3"), ())
    for sources in ([], [empty], [empty, empty]):
        for embedder in (minilm, None):
            seen = observe(sentence, [], sources, embedder)
            assert (seen.evidence, seen.by_vectors) == ((), False)
            assert set(seen.polarity.values()) == {0.0}
            assert not judge(sentence, [], sources, embedder).supported


def test_long_evidence_is_read_within_bounds_and_still_found(minilm: MiniLM) -> None:
    wordy = "Pears " + "and very ripe pears " * 400 + "were weighed."
    abstract = f"{wordy} {FIRST} " + " ".join(f"Sort {n} was tasted by a judge." for n in range(40))
    long = source(4, "Pears", abstract, minilm)
    seen = observe(wordy, [wordy], [long], minilm)
    assert [len(text) for text in seen.evidence] == [1_200]
    assert all(len(text) <= 1_200 for text in observe(wordy, [], [long], minilm).evidence)
    assert judge("In cold storage the ripening of pears is slow.", [], [long], minilm).supported
    assert not judge(UNRELATED, [], [long], minilm).supported


def test_a_long_sentence_is_judged(pears: Source, minilm: MiniLM) -> None:
    assert judge(" ".join([FIRST, SECOND, FOURTH] * 3), [], [pears], minilm).supported
    assert not judge(UNRELATED * 20, [], [pears], minilm).supported


def test_the_same_question_has_the_same_answer_from_another_model_and_after_reading_ahead(
    pears: Source, minilm: MiniLM
) -> None:
    sentences = [FIRST, "Fruit stays firm for twelve weeks.", "Ethylene changed the sugar.", UNRELATED]
    before = [observe(sentence, [], [pears], minilm) for sentence in sentences]
    fresh = MiniLM(threads=1)
    prepare([pears], fresh)
    prepare([pears], None)
    assert [observe(sentence, [], [pears], fresh) for sentence in sentences] == before
    assert [observe(sentence, [], [pears], minilm) for sentence in reversed(sentences)] == before[::-1]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=60), max_size=2))
def test_any_sentence_and_any_quotes_have_a_verdict(sentence: str, quotes: list[str]) -> None:
    verdict = judge(sentence, quotes, [PLAIN], None)
    assert 0 <= verdict.score <= 1
    assert verdict.supported == (verdict.reason is None)


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=60))
def test_any_visible_text_has_a_verdict_by_vectors(text: str, pears: Source, minilm: MiniLM) -> None:
    verdict = judge(f"Pears {text}", [], [pears], minilm)
    assert np.isfinite(verdict.score) and verdict.supported == (verdict.reason is None)
