"""Polarity: words that turn a statement, negations, swapped sides, and what is said of all or of some."""

from __future__ import annotations

import pytest
from citewell.text import stem
from citewell.verification.polarity import (
    Reading,
    agreement,
    antonyms,
    claims_all,
    clauses,
    contradiction,
    disputes,
    read,
)
from hypothesis import given
from hypothesis import strategies as st

WORDS = (
    "the a pruning network accuracy training memory tides sparse dense faster slower more less than not no never "
    "all some only outperforms beats by raises lowers isn't without before after which , ; but and . n't"
).split()
TEXTS = st.one_of(st.text(max_size=120), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))


def words_at(reading: Reading, places: tuple[int, ...]) -> list[str]:
    return [reading.words[place] for place in places]


# --- reading ---------------------------------------------------------------------------------------------


def test_a_reading_has_the_words_their_stems_and_what_they_carry() -> None:
    reading = read("Pruning doesn\u2019t reduce the network's accuracy, nor does it only slow training.")
    assert reading.words[:6] == ("pruning", "doesn\u2019t", "reduce", "the", "network", "accuracy")
    assert reading.stems == tuple(map(stem, reading.words))
    content = ["pruning", "reduce", "network", "accuracy", "slow", "training"]
    assert words_at(reading, reading.content) == content
    assert reading.about == set(map(stem, content))
    assert words_at(reading, reading.negations) == ["doesn\u2019t", "nor"]
    assert [(reading.words[t.place], t.family, t.sign) for t in reading.turns] == [
        ("reduce", "amount", -1),
        ("slow", "amount", -1),
    ]
    assert reading.subject == {stem(word) for word in ("pruning", "network", "accuracy", "training")}


@pytest.mark.parametrize(
    "text, negations",
    [
        ("It is not fast.", ["not"]),
        ("It isn't fast and cannot learn.", ["isn't", "cannot"]),
        ("Not only is it fast, it is not large.", ["not"]),
        ("Mice without the gene lack the enzyme.", ["without", "lack"]),
        ("The knot was noted in November.", []),
        ("", []),
    ],
)
def test_negations_are_found_but_not_in_not_only_nor_inside_words(text: str, negations: list[str]) -> None:
    reading = read(text)
    assert words_at(reading, reading.negations) == negations


@pytest.mark.parametrize(
    "text, parity",
    [
        ("Pruning raises accuracy.", 1),
        ("Pruning lowers accuracy.", -1),
        ("Pruning does not lower accuracy.", 1),
        ("Pruning does not raise accuracy.", -1),
        ("Pruning prevents the decline of accuracy.", 1),
        ("Pruning never prevents the decline of accuracy.", -1),
        ("", 1),
    ],
)
def test_parity_is_the_product_of_all_signs(text: str, parity: int) -> None:
    assert read(text).parity == parity


def test_a_negation_reverses_the_turn_shortly_behind_it_and_no_other() -> None:
    reading = read("It does not raise cost, and in all the other nine trials that we ran it lowers power.")
    assert [reading.signed(turn) for turn in reading.turns] == [-1, -1]
    (turn,) = read("It raises cost and not power.").turns
    assert read("It raises cost and not power.").signed(turn) == 1


def test_what_is_around_a_place_is_near_it_and_turns_nothing() -> None:
    reading = read("Warm tides raise shallow lagoons faster beside coral reefs.")
    raising = reading.turns[0].place
    assert reading.around(raising, 1) == {stem("tides"), stem("shallow")}
    assert reading.around(raising, 99) == reading.subject
    assert stem("faster") not in reading.subject


@pytest.mark.parametrize(
    "text, expected",
    [
        ("There was no difference between the two arms.", True),
        ("Dose was not associated with relapse.", True),
        ("It didn't change the outcome.", True),
        ("It doesn\u2019t change the outcome.", True),
        ("Sleep had no measurable influence on memory.", True),
        ("Dose was associated with relapse.", False),
        ("There was no snow. The effect was large.", False),
    ],
)
def test_a_text_that_speaks_of_no_effect_is_known(text: str, expected: bool) -> None:
    assert read(text).no_effect is expected


@pytest.mark.parametrize(
    "text, pieces",
    [
        (
            "Pruning halves the size of the network, which lowers the cost of serving, "
            "but it hurts the rarest classes.",
            [
                "pruning halves the size of the network",
                "which lowers the cost of serving",
                "but it hurts the rarest classes",
            ],
        ),
        (
            "The old mill by the river floods in spring, but rarely.",
            ["the old mill by the river floods in spring but rarely"],
        ),
        ("In spring, the river beside the mill floods.", ["in spring the river beside the mill floods"]),
        ("", []),
    ],
)
def test_clauses_are_cut_at_joints_and_short_ones_stay_with_their_neighbour(
    text: str, pieces: list[str]
) -> None:
    assert [" ".join(clause.words) for clause in clauses(text)] == pieces


@pytest.mark.parametrize(
    "text, expected",
    [
        ("All birds migrate.", True),
        ("None of them sing.", True),
        ("Owls call at night.", False),
    ],
)
def test_a_text_that_speaks_of_all_none_or_only_is_known(text: str, expected: bool) -> None:
    assert claims_all(text) is expected


# --- comparing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim, sentence, expected",
    [
        ("Salt raises blood pressure.", "Salt increases blood pressure.", 1),
        ("Salt raises blood pressure.", "Salt does not lower blood pressure.", 1),
        ("Salt raises blood pressure.", "Salt lowers blood pressure.", -1),
        ("Salt raises blood pressure.", "Salt does not raise blood pressure.", -1),
        ("Salt raises blood pressure.", "Buses are slower at night.", 0),
    ],
)
def test_agreement_compares_the_parity_of_what_shares_a_subject(
    claim: str, sentence: str, expected: int
) -> None:
    assert agreement(read(claim), read(sentence)) == agreement(read(sentence), read(claim)) == expected


@pytest.mark.parametrize(
    "claim, sentence, side",
    [
        ("Salt raises blood pressure.", "Salt increases blood pressure.", "agreeing"),
        ("Salt raises blood pressure.", "Salt lowers blood pressure.", "opposing"),
        ("Salt raises blood pressure.", "Salt does not raise blood pressure.", "opposing"),
        ("Salt does not raise blood pressure.", "Salt does not increase blood pressure.", "agreeing"),
        ("The new filter is better at night.", "The new filter is worse at night.", "opposing"),
        ("Salt raises blood pressure.", "Night buses lower fares.", "neither"),
        ("Salt raises blood pressure.", "Salt changes blood pressure.", "neither"),
        ("The new filter is better at night.", "The new filter lowers power at night.", "neither"),
    ],
)
def test_disputes_weighs_turns_of_one_kind_about_the_same_words(claim: str, sentence: str, side: str) -> None:
    agreeing, opposing = disputes(read(claim), read(sentence))
    assert (agreeing > 0, opposing > 0) == (side == "agreeing", side == "opposing")


def test_of_two_turns_that_with_more_of_the_same_neighbours_decides() -> None:
    claim = read("Salt raises blood pressure.")
    agreeing, opposing = disputes(
        claim, read("Rest lowers pressure at work, while salt raises blood pressure.")
    )
    assert agreeing > opposing == 0


@pytest.mark.parametrize(
    "claim, evidence, count",
    [
        ("Dense attention is used.", "Sparse attention is used.", 1),
        ("Dense and local attention is used.", "Sparse and global attention is used.", 2),
        ("Dense attention is used.", "Dense attention replaces sparse attention.", 0),
        ("The method is unsupervised.", "The method is supervised.", 1),
        ("The bond is reversible.", "The bond is irreversible.", 1),
        ("Bees dance at noon.", "Wasps rest at dusk.", 0),
    ],
)
def test_antonyms_counts_words_that_the_evidence_has_only_as_their_opposite(
    claim: str, evidence: str, count: int
) -> None:
    assert antonyms(read(claim), read(evidence).about) == count


# --- contradiction ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim, sentence, reason",
    [
        (
            "Salt lowers blood pressure in patients.",
            "Salt raises blood pressure in patients.",
            'The source says "raises" where the sentence says "lowers".',
        ),
        (
            "Freezing the encoder degrades retrieval of rare images.",
            "Freezing the encoder improves retrieval of rare images.",
            'The source says "improves" where the sentence says "degrades".',
        ),
        (
            "Curcumin inhibits growth of the tumour in mice.",
            "Curcumin promotes growth of the tumour in mice.",
            'The source says "promotes" where the sentence says "inhibits".',
        ),
        (
            "Global attention layers enrich the model with context.",
            "Local attention layers enrich the model with context.",
            'The source says "local" where the sentence says "global".',
        ),
        (
            "Freezing the encoder before training keeps accuracy high.",
            "Freezing the encoder after training keeps accuracy high.",
            'The source says "after" where the sentence says "before".',
        ),
        (
            "The larger telescope gives more accurate orbits of comets.",
            "The larger telescope gives less accurate orbits of comets.",
            'The source says "less" where the sentence says "more".',
        ),
        (
            "Salt does not lower blood pressure in patients.",
            "Salt lowers blood pressure in patients.",
            'The sentence says "not" where the source does not.',
        ),
        (
            "Lichens grow on northern church walls.",
            "Lichens do not grow on northern church walls.",
            'The source says "not" where the sentence does not.',
        ),
        (
            "All stroke patients recovered speech.",
            "Most stroke patients recovered speech.",
            'The source says "most" where the sentence says "all".',
        ),
        (
            "Isotopes weren't found in all samples.",
            "No isotopes were found in any of the samples.",
            'The source says "no" of any where the sentence says "not" of all.',
        ),
    ],
)
def test_a_claim_that_repeats_a_sentence_but_for_its_turn_contradicts_it(
    claim: str, sentence: str, reason: str
) -> None:
    assert contradiction(claim, [sentence]) == reason


@pytest.mark.parametrize(
    "claim, sentence",
    [
        ("The electric trams outperform diesel buses.", "Diesel buses outperform the electric trams."),
        (
            "Small models outperform large models on long texts.",
            "Large models outperform small models on long texts.",
        ),
        (
            "Sparse grids are better than dense grids for folded proteins.",
            "Dense grids are better than sparse grids for folded proteins.",
        ),
        ("Diesel buses are not outperformed by trams in rain.", "Trams outperform diesel buses in rain."),
        ("Electric trams are worse than the diesel buses.", "Electric trams outperform the diesel buses."),
    ],
)
def test_the_sides_of_a_comparison_may_not_change_places(claim: str, sentence: str) -> None:
    assert contradiction(claim, [sentence]) is not None
    assert contradiction(sentence, [claim]) is not None


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (
            "The cell has lost 92% of its capacity by cycle 50.",
            "The cell keeps 92% of its capacity by cycle 50.",
        ),
        (
            "A writes code faster than B, but it is more accurate.",
            "A writes code faster than B but is less accurate.",
        ),
        ("Plating was not observed in every thin cell.", "No plating was observed in any thin cell."),
        ("The drug raised serum urate in adults.", "The drug lowered serum urate in adults."),
        ("The drug did not lower serum urate in adults.", "The drug lowered serum urate in adults."),
        ("All the thick cells lost capacity.", "Most of the thick cells lost capacity."),
    ],
)
def test_a_turned_repetition_contradicts(claim: str, sentence: str) -> None:
    assert contradiction(claim, [sentence]) is not None


@pytest.mark.parametrize(
    "claim, sentence",
    [
        ("Salt does not lower blood pressure in patients.", "Salt raises blood pressure in patients."),
        ("Salt reduces blood pressure in patients.", "Salt lowers blood pressure in patients."),
        (
            "Small models are outperformed by large models on long texts.",
            "Large models outperform small models on long texts.",
        ),
        (
            "Sparse grids are better than dense grids for folded proteins.",
            "Dense grids are worse than sparse grids for folded proteins.",
        ),
        ("Electric trams are faster than diesel buses.", "Diesel buses are slower than electric trams."),
        ("Most stroke patients recovered speech.", "All stroke patients recovered speech."),
        ("Mice lacking the receptor gain weight on fat.", "Receptor-deficient mice gain weight on fat."),
        ("Exercise resulted in sleep of workers.", "Exercise suppressed cortisol in sleep of workers."),
        ("Not only does pruning shrink nets, it speeds them.", "Pruning shrinks nets and speeds them."),
        (
            "By cycle 50 the cell still keeps 92% of its capacity.",
            "The cell keeps 92% of its capacity by cycle 50.",
        ),
        ("A is less accurate than B, but faster.", "A writes code faster than B but is less accurate."),
        ("Plating was not observed in any thin cell.", "No plating was observed in any thin cell."),
        ("Not every thin cell showed plating.", "Some but not all thin cells showed plating."),
        (
            "The cell loses 8% of its capacity by cycle 50.",
            "It keeps most capacity; it loses 8% by cycle 50.",
        ),
        ("Bees dance.", "Bees do not dance."),  # too few words of content to be the same statement
    ],
)
def test_other_words_for_the_same_and_other_statements_contradict_nothing(claim: str, sentence: str) -> None:
    assert contradiction(claim, [sentence]) is None


def test_a_clause_or_sentence_that_repeats_the_claim_acquits_it() -> None:
    claim = "Salt lowers blood pressure in patients."
    opposite = "Salt raises blood pressure in patients."
    assert contradiction(claim, [opposite, opposite]) is not None
    assert contradiction(claim, [opposite, claim]) is None
    assert contradiction(claim, [claim, opposite]) is None
    joined = f"{opposite[:-1]} at night, but salt lowers blood pressure in patients by day."
    assert contradiction(claim, [joined]) is None
    own = "Salt raises blood pressure in most patients, but it does not raise blood pressure in children."
    assert contradiction(own, [own]) is None and contradiction(claim, []) is None


# --- of any text -----------------------------------------------------------------------------------------


@given(TEXTS)
def test_a_reading_of_any_text_keeps_to_its_own_words(text: str) -> None:
    reading = read(text)
    places = {*reading.content, *reading.negations, *(turn.place for turn in reading.turns)}
    assert len(reading.stems) == len(reading.words)
    assert places <= set(range(len(reading.words)))
    assert not set(reading.content) & set(reading.negations)
    assert reading.subject <= reading.about and reading.parity in (1, -1)


@given(TEXTS)
def test_the_clauses_of_any_text_have_its_words_in_order(text: str) -> None:
    assert [word for clause in clauses(text) for word in clause.words] == list(read(text).words)


@given(TEXTS)
def test_no_sentence_contradicts_itself(text: str) -> None:
    reading = read(text)
    assert contradiction(text, [text]) is None
    assert agreement(reading, reading) in (0, 1)
    assert antonyms(reading, reading.about | set(reading.stems)) == 0


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_any_two_texts_can_be_compared(claim: str, sentences: list[str]) -> None:
    reason = contradiction(claim, sentences)
    assert reason is None or (reason.startswith("The s") and reason.endswith(".") and "\n" not in reason)
    for other in map(read, sentences):
        agreeing, opposing = disputes(read(claim), other)
        assert agreeing >= 0 and opposing >= 0
        assert agreement(read(claim), other) == agreement(other, read(claim))
        assert antonyms(read(claim), other.about) >= 0
