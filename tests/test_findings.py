"""Questions of several parts, on a real model and index over made-up papers."""

import pytest
from citewell import Assistant
from citewell.evidence import gather
from citewell.findings import Reader, divide
from citewell.retriever import HybridRetriever
from made_up_papers import PAPERS


@pytest.fixture(scope="module")
def assistant():
    with Assistant.from_papers(list(PAPERS.values())) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(assistant):
    retriever = HybridRetriever(assistant.collection, assistant.settings)
    library, embedder = assistant.collection.library, assistant.token_embedder()
    return Reader(library, embedder, assistant.settings, retriever.retrieve)


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        (
            "How many experts does Marlin have, and how long does the Kestrel cell take to charge?",
            {"marlin": "128", "kestrel": "9 minutes"},
        ),
        (
            "how many knots does halyard untie and by how much does sorbinol lower urate",
            {"halyard": "18 of 20", "sorbinol": "2.1 mg/dL"},
        ),
        ("RustBench score of Quarry-7B; ParlaQA score of Marlin", {"quarry": "58.2%", "marlin": "71.4%"}),
        (
            "What is Marlin, how many knots does Halyard untie, and how many plots of methane were measured?",
            {"marlin": "encoder", "halyard": "18 of 20", "tundra": "46"},
        ),
    ],
)
def test_each_part_is_answered_from_its_own_paper(assistant, question, facts):
    answer = assistant.ask(question)
    assert answer.notice is None
    for paper_id, fact in facts.items():
        assert any(fact in quote.quote for quote in answer.citations if quote.paper_id == paper_id)
    first = [quote.paper_id for quote in answer.citations[: len(facts)]]
    assert first == list(facts), "the best quote of each part comes first"
    for quote in answer.citations:
        assert PAPERS[quote.paper_id].abstract[quote.start : quote.end] == quote.quote


@pytest.mark.parametrize(
    ("question", "paper_id", "missing"),
    [
        (
            "How many knots does Halyard untie, and what is the capital of Peru?",
            "halyard",
            "what is the capital of Peru?",
        ),
        ("ParlaQA score of Marlin and of Swordfish-XL", "marlin", "Swordfish-XL"),
    ],
)
def test_a_part_that_the_collection_does_not_hold_is_told(assistant, question, paper_id, missing):
    answer = assistant.ask(question)
    assert not answer.abstained and {quote.paper_id for quote in answer.citations} == {paper_id}
    searched = f"The {len(PAPERS):,} abstracts searched gave no answer to “{missing}”."
    assert answer.notice == f"This answers a part of the question. {searched}"


def test_a_question_none_of_whose_parts_is_held_is_refused(assistant):
    answer = assistant.ask("What is the capital of Peru, and who won the cup in 1998?")
    assert answer.abstained and answer.notice is None


@pytest.mark.parametrize(
    "question",
    [
        "How much memory does Marlin need?",
        "What do Marlin and Longbow answer on the ParlaQA benchmark?",
        "Which papers measure methane and which test sorbinol?",
    ],
)
def test_a_question_about_one_paper_or_for_a_list_looks_up_no_part(reader, question):
    asked = reader.asked(question)
    whole = reader.read(asked, reader.retrieve(asked.text))
    found = divide(question, whole, lambda text: pytest.fail(f"looked up {text!r}"))
    assert found.whole is whole and found.parts == (whole,) and not found.missing


def test_what_was_read_for_the_parts_is_what_was_read_for_the_question(reader):
    question = "How many experts does Marlin have, and how long does the Kestrel cell take to charge?"
    whole = reader.look_up(question)
    found = divide(question, whole, reader.look_up)
    read = [paper.paper.paper_id for paper in found.whole.evidence.papers]
    assert read[:2] == ["marlin", "kestrel"] and len(set(read)) == len(read)
    assert found.whole.ruling.confidence == min(part.ruling.confidence for part in found.parts)
    for sentence in found.whole.evidence.sentences:
        paper = found.whole.evidence.papers[sentence.paper].paper
        assert paper.abstract[sentence.span.start : sentence.span.end] == sentence.text


def test_a_part_is_quoted_only_from_papers_that_hold_its_words(reader, assistant):
    question = "How many experts does Marlin have, and how long does the Kestrel cell take to charge?"
    found = divide(question, reader.look_up(question), reader.look_up)
    for part, name in zip(found.parts, ("Marlin", "Kestrel"), strict=True):
        held = {part.evidence.papers[sentence.paper].paper.title for sentence in part.evidence.sentences}
        assert len(held) == 1 and all(title.startswith(name) for title in held)
        alone = gather(part.asked, part.retrieval, assistant.collection.library, 8)
        assert len(alone.sentences) > len(part.evidence.sentences)
