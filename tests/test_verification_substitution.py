"""Another thing put into a copied sentence is found; synonyms, plain words and other orders are not one."""

import pytest
from citewell.chunking import sentence_spans
from citewell.citations import Cited, Claim, Draft, Source
from citewell.embedding.minilm import MiniLM
from citewell.types import Paper, Rejected
from citewell.verification import verify
from citewell.verification.substitution import exchange, problem
from made_up_papers import FACTS, PAPERS, Fact

MODEL = MiniLM()


def source(paper: Paper) -> Source:
    return Source(1, paper, tuple(sentence_spans(paper.abstract)))


def quoted(fact: Fact) -> tuple[list[str], Source]:
    own = source(PAPERS[fact.paper])
    texts = [own.paper.abstract[span.start : span.end] for span in own.spans]
    return [text for text in texts if fact.quote.rstrip(".") in text], own


def about(paper: str, sentence: str, quote: str) -> str | None:
    evidence, own = quoted(Fact(paper, "", sentence, quote))
    return problem(sentence, evidence, [own], MODEL)


@pytest.mark.parametrize(
    ("paper", "sentence", "quote", "word"),
    [
        ("kestrel", "A gold coating lowers the anode's overpotential.", "A coating of tin", "gold"),
        ("sorbinol", "Within 12 weeks, sorbinol lowered blood sugar by 2.1 mg/dL.", "Sorbinol lowered", "blood"),
        ("sorbinol", "Nausea was more frequent with sorbinol than with allopurinol.", "Nausea was", "allopurinol"),
        ("tundra", "Mowing by reindeer reduced the emissions of wet plots.", "Grazing by reindeer", "Mowing"),
        ("vesper", "Its spectrum shows water but not oxygen.", "The spectrum shows", "oxygen"),
        ("halyard", "Tactile sensing helps more than a microphone does.", "Tactile sensing", "microphone"),
        ("marlin", "On one GPU, Marlin can read films of up to 64,000 tokens.", "Marlin reads documents", "films"),
    ],
)  # fmt: skip
def test_another_thing_in_a_copied_sentence_is_named(paper, sentence, quote, word):
    reason = about(paper, sentence, quote)
    assert reason is not None and f'"{word}"' in reason


@pytest.mark.parametrize(
    ("paper", "sentence", "quote"),
    [
        ("kestrel", "A tin coating reduces the overpotential of the anode from 110 mV to 35 mV.", "A coating of tin"),
        ("kestrel", "Remarkably, a coating of tin lowers the anode's overpotential.", "A coating of tin"),
        ("tundra", "Grazing by reindeer diminished the emissions of wet plots.", "Grazing by reindeer"),
        ("tundra", "Grazing by reindeer reduced the methane that wet plots emit.", "Grazing by reindeer"),
        ("halyard", "Touch matters more than cameras, of which a second one helps little.", "Tactile sensing"),
        ("vesper", "The dwarf's spectrum shows water, but the telescope found no oxygen lines whatsoever.", "Its temp"),
        ("kestrel", "", "A coating of tin"),
        ("kestrel", "It is so.", "A coating of tin"),
    ],
)  # fmt: skip
def test_other_words_for_the_same_and_free_sentences_are_left_to_other_checks(paper, sentence, quote):
    assert about(paper, sentence, quote) is None


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.sentence[:40])
def test_faithful_sentences_name_nothing_else(fact):
    evidence, own = quoted(fact)
    assert problem(fact.sentence, evidence, [own], MODEL) is None


def test_a_word_of_another_cited_source_or_of_the_title_is_no_stranger():
    sentence, quote = "A gold coating lowers the overpotential of the anode.", "A coating of tin"
    evidence, own = quoted(Fact("kestrel", "", sentence, quote))
    gold = source(Paper("Gold Anodes", "They last.", "gold"))
    assert problem(sentence, evidence, [own], MODEL) is not None
    assert problem(sentence, evidence, [own, gold], MODEL) is None


def test_without_token_vectors_nothing_is_found():
    evidence, own = quoted(FACTS[7])
    assert problem("A gold coating lowers the anode's overpotential.", evidence, [own], None) is None


def test_the_verifier_withholds_it_as_content():
    own = source(PAPERS["kestrel"])
    cited = (Cited(1, "A coating of tin lowers the overpotential of the anode"),)
    (false,) = verify(Claim("A gold coating lowers the overpotential of the anode.", cited), [own], MODEL)
    assert isinstance(false, Rejected) and false.check == "content" and '"gold"' in false.reason
    (true,) = verify(Claim("A tin coating lowers the overpotential of the anode.", cited), [own], MODEL)
    assert isinstance(true, Draft)


SURPASSES = "SwiftTeacher even surpasses the larger network with limited resources."


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("The larger network surpasses SwiftTeacher.", SURPASSES),
        ("SwiftTeacher is surpassed by the larger network.", SURPASSES),
        ("Noisy images reduce the gap that masking leaves.", "Masking reduces the gap between noisy images."),
        ("Sorbinol was replaced by febuxostat.", "In every patient, sorbinol replaced febuxostat."),
    ],
)
def test_an_exchange_of_doer_and_object_is_found(sentence, text):
    assert exchange(sentence, [text]) is not None


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("The larger network is surpassed by SwiftTeacher.", SURPASSES),
        ("With limited resources, SwiftTeacher surpasses the larger network.", SURPASSES),
        ("SwiftTeacher surpasses it, and the larger network has more resources.", SURPASSES),
        ("Masking has a reduced gap between images.", "Between images, masking reduced the gap."),
        ("Images with their reduced gap help masking.", "Masking reduces the gap of images."),
        ("Surpasses the larger network.", SURPASSES),
        ("It grows.", ""),
    ],
)
def test_another_voice_or_order_is_none(sentence, text):
    assert exchange(sentence, [text]) is None


def test_the_verifier_withholds_an_exchange():
    paper = Paper("A title", f"{SURPASSES} It is small.", "p1")
    claim = Claim("The larger network surpasses SwiftTeacher.", (Cited(1, SURPASSES),))
    (verdict,) = verify(claim, [source(paper)], MODEL)
    assert isinstance(verdict, Rejected) and verdict.check in ("content", "polarity")


def test_without_evidence_nothing_is_repeated():
    assert problem("A gold coating lowers the overpotential.", [], [], MODEL) is None
