"""The systems that are compared: each answers in Citewell's format, from its own retrieval alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from citewell.assistant import Assistant
from citewell.errors import GenerationError, NoCollectionError, UsageError
from citewell.types import Answer, Paper
from citewell_eval.cases import Case
from citewell_eval.systems import NAMES, NEED_A_MODEL, load_thresholds, open_systems
from citewell_eval.systems.citewell import CitewellSystem
from citewell_eval.systems.dense import DenseSystem
from citewell_eval.systems.lexical import LexicalSystem
from citewell_eval.systems.llama import CitationEngineSystem, LlamaIndexSystem
from citewell_eval.systems.llama_parts import build_index
from citewell_eval.systems.thresholds import best_threshold, fit, refusal_f1
from fakes import HashEmbedder, ScriptedModel
from llama_index.core import VectorStoreIndex

LONG = " ".join(f"Season {n} brought {n + 3} storms to the harbour of Odessa." for n in range(200))
PAPERS = [
    Paper("Corals", "Corals bleach above thirty degrees. They recover within nine years.", "corals"),
    Paper("Glaciers", "Glaciers retreat by two metres a year. Soot darkens their surface.", "glaciers"),
    Paper("Violins", "Old violins are not louder than new ones. Players prefer new violins.", "violins"),
    Paper("Storms", LONG, "storms"),
]
ASKED = "How fast do glaciers retreat?"
STRANGE = "Which zebras dance tango?"


@pytest.fixture(scope="module")
def assistant() -> Iterator[Assistant]:
    with Assistant.from_papers(PAPERS, embedder=HashEmbedder(dim=256)) as opened:
        yield opened


@pytest.fixture(scope="module")
def index(assistant: Assistant) -> VectorStoreIndex:
    return build_index(assistant)


def check_quotes(assistant: Assistant, answer: Answer) -> None:
    assert answer.citations
    for cited in answer.citations:
        paper = assistant.show(cited.paper_id)
        assert paper.abstract[cited.start : cited.end] == cited.quote != ""
        assert cited.title == paper.title


def check_refused(answer: Answer) -> None:
    assert answer.abstained and not answer.sentences and not answer.citations
    assert answer.abstention is not None and answer.abstention.kind == "nothing_relevant"
    assert all(0 <= result.score <= 1 for result in answer.abstention.nearest)


# --- Citewell ------------------------------------------------------------------------------------------


def test_citewell_answers_as_the_assistant_and_leaves_it_open(assistant):
    system = CitewellSystem(assistant)
    assert system.name == "citewell quotes"
    assert system.search(ASKED, 2) == [result.paper_id for result in assistant.search(ASKED, 2)]
    answer, expected = system.ask(ASKED), assistant.ask(ASKED)
    assert (answer.sentences, answer.citations) == (expected.sentences, expected.citations)
    system.close()
    assert system.paper("corals").title == "Corals"


def test_citewell_reads_the_history(assistant):
    system = CitewellSystem(assistant)
    first = system.ask("What do corals do above thirty degrees?")
    later = system.ask("How long do they need to recover?", [first])
    assert later.standalone_question != later.question


def test_an_owned_assistant_is_closed_with_its_system():
    own = Assistant.from_papers(PAPERS, embedder=HashEmbedder())
    CitewellSystem(own, owned=True).close()
    assert not own.settings.data_dir.exists()


# --- BM25 ----------------------------------------------------------------------------------------------


def test_bm25_answers_with_the_sentence_that_holds_most_of_the_question(assistant):
    system = LexicalSystem(assistant, threshold=0.0)
    assert system.search(ASKED, 3) == ["glaciers"]  # no other paper holds a word of it
    answer = system.ask(ASKED)
    check_quotes(assistant, answer)
    assert [sentence.text for sentence in answer.sentences] == ["Glaciers retreat by two metres a year."]
    assert answer.sentences[0].citations == (1,) and answer.sentences[0].verdict == "quoted"
    assert answer.timings["total"] > 0 and answer.engine.llm == answer.engine.embedding == "none"


def test_the_confidence_of_bm25_is_a_share_of_what_it_could_reach(assistant):
    system = LexicalSystem(assistant, threshold=0.0)
    library = assistant.collection.library
    score = dict(library.lexical(["soot"], assistant.settings.title_weight).best(5))[
        library.row_of("glaciers")
    ]
    most = 2.2 * math.log((4 - 1 + 0.5) / (1 + 0.5))
    assert system.ask("soot?").confidence == pytest.approx(score / most, abs=1e-6)
    # Words that no paper holds are as much part of the question.
    assert system.ask("soot zebras?").confidence < system.ask("soot?").confidence / 2


def test_bm25_refuses_below_its_threshold_and_without_a_match(assistant):
    confidence = LexicalSystem(assistant, threshold=0.0).ask("soot?").confidence
    assert not LexicalSystem(assistant, threshold=confidence - 1e-5).ask("soot?").abstained
    refused = LexicalSystem(assistant, threshold=confidence + 1e-5).ask("soot?")
    check_refused(refused)
    assert [result.paper_id for result in refused.abstention.nearest] == ["glaciers"]
    nothing = LexicalSystem(assistant, threshold=0.0).ask(STRANGE)
    check_refused(nothing)
    assert nothing.confidence == 0.0


# --- dense ---------------------------------------------------------------------------------------------


def test_dense_answers_with_the_three_nearest_sentences(assistant):
    system = DenseSystem(assistant, threshold=-1.0)
    assert system.search(ASKED, 1) == ["glaciers"]
    assert sorted(system.search(ASKED, 9)) == ["corals", "glaciers", "storms", "violins"]
    answer = system.ask(ASKED)
    check_quotes(assistant, answer)
    assert answer.sentences[0].text == "Glaciers retreat by two metres a year."
    assert [sentence.citations for sentence in answer.sentences] == [(1,), (2,), (3,)]
    assert answer.confidence == pytest.approx(_sentence_cosines(assistant, ASKED)[0], abs=1e-5)


@pytest.mark.parametrize("question", [ASKED, STRANGE, "Which season brought storms to Odessa?"])
def test_the_nearest_sentences_are_those_of_all_sentences(assistant, question):
    answer = DenseSystem(assistant, threshold=-1.0).ask(question)
    manifest, collection = assistant.collection.library.manifest(), assistant.collection
    vector = collection.embedder(manifest).embed_queries([question])[0]
    passages = collection.passages(manifest)
    shown = [
        passages[row].chunks[passages[row].spans.index((cited.start, cited.end))] @ vector
        for cited in answer.citations
        for row in [collection.library.row_of(cited.paper_id)]
    ]
    assert shown == pytest.approx(_sentence_cosines(assistant, question)[:3], abs=1e-5)


def test_dense_refuses_below_its_cosine(assistant):
    check_refused(DenseSystem(assistant, threshold=0.9).ask(STRANGE))


def test_dense_asks_the_index_of_a_large_collection():
    with Assistant.from_papers(PAPERS, embedder=HashEmbedder(dim=256), exact_limit=2) as large:
        system = DenseSystem(large, threshold=-1.0)
        assert system.search(ASKED, 1) == ["glaciers"]
        assert system.ask(ASKED).sentences[0].text == "Glaciers retreat by two metres a year."


# --- LlamaIndex ----------------------------------------------------------------------------------------


def test_llamaindex_without_a_model_shows_its_nodes(assistant, index):
    system = LlamaIndexSystem(assistant, index)
    assert system.search(ASKED, 1) == ["glaciers"]
    found = system.search("Which season brought storms to Odessa?", 3)
    assert found[0] == "storms" and len(found) == len(set(found))
    answer = system.ask(ASKED)
    check_quotes(assistant, answer)
    assert len(answer.citations) == 2 and answer.citations[0].quote == PAPERS[1].abstract
    assert [sentence.text for sentence in answer.sentences] == [cited.quote for cited in answer.citations]
    assert answer.usage == {}


def test_the_chunks_of_a_long_abstract_are_found_in_it(assistant, index):
    answer = LlamaIndexSystem(assistant, index).ask("Which season brought storms to the harbour of Odessa?")
    check_quotes(assistant, answer)
    assert {cited.paper_id for cited in answer.citations} == {"storms"}
    assert len({cited.start for cited in answer.citations}) == 2


def test_the_similarity_cutoff_refuses(assistant, index):
    confidence = LlamaIndexSystem(assistant, index).ask(ASKED).confidence
    kept = LlamaIndexSystem(assistant, index, similarity_cutoff=confidence - 1e-3).ask(ASKED)
    assert [cited.paper_id for cited in kept.citations] == ["glaciers"]
    refused = LlamaIndexSystem(assistant, index, similarity_cutoff=confidence + 1e-3).ask(ASKED)
    check_refused(refused)
    assert refused.confidence == confidence
    assert [result.paper_id for result in refused.abstention.nearest][0] == "glaciers"


def test_a_stock_answer_cites_every_source_for_every_sentence(assistant, index):
    model = ScriptedModel("They retreat by two metres a year. Soot darkens them.")
    answer = LlamaIndexSystem(assistant, index, model).ask(ASKED)
    check_quotes(assistant, answer)
    assert [s.text for s in answer.sentences] == ["They retreat by two metres a year.", "Soot darkens them."]
    assert {sentence.citations for sentence in answer.sentences} == {(1, 2)}
    assert answer.usage == {"prompt_tokens": 100, "completion_tokens": 10, "requests": 1}
    assert ASKED in model.asked[0] and PAPERS[1].abstract in model.asked[0]
    assert answer.engine.llm == "scripted"


def test_with_a_cutoff_the_model_is_not_asked_about_nothing(assistant, index):
    model = ScriptedModel()
    refused = LlamaIndexSystem(assistant, index, model, similarity_cutoff=1.1).ask(ASKED)
    check_refused(refused)
    assert refused.text == "Empty Response" and model.asked == []


@pytest.mark.parametrize("engine", [LlamaIndexSystem, CitationEngineSystem])
def test_a_model_that_does_not_know_refuses(assistant, index, engine):
    model = ScriptedModel("The provided sources do not mention the price of glaciers.")
    refused = engine(assistant, index, model).ask("What do glaciers cost?")
    check_refused(refused)
    assert refused.text.startswith("The provided sources do not mention")
    assert refused.usage["requests"] == 1


@pytest.mark.parametrize("engine", [LlamaIndexSystem, CitationEngineSystem])
def test_a_model_that_fails_is_an_error_and_no_refusal(assistant, index, engine):
    model = ScriptedModel(GenerationError("The endpoint is gone.", "unreachable"))
    answer = engine(assistant, index, model).ask(ASKED)
    assert answer.incomplete and answer.error == "The endpoint is gone."
    assert not answer.abstained and not answer.sentences


def test_the_citation_engine_cites_what_its_markers_name(assistant, index):
    model = ScriptedModel("They retreat by two metres a year [1]. Soot darkens them. It does [1, 9].")
    answer = CitationEngineSystem(assistant, index, model).ask(ASKED)
    check_quotes(assistant, answer)
    assert [sentence.citations for sentence in answer.sentences] == [(1,), (), (1, 9)]
    assert [sentence.text for sentence in answer.sentences][0] == "They retreat by two metres a year."
    # No citation has the number 9, which is no source; the second source is not cited.
    assert [cited.number for cited in answer.citations] == [1]
    assert answer.citations[0].quote == PAPERS[1].abstract
    assert "Source 1:" in model.asked[0]


def test_the_sources_of_a_long_abstract_keep_their_place(assistant, index):
    model = ScriptedModel("There were many storms [1][2][3].")
    answer = CitationEngineSystem(assistant, index, model).ask("Which season brought storms to Odessa?")
    check_quotes(assistant, answer)
    assert [cited.number for cited in answer.citations] == [1, 2, 3]
    assert all(len(cited.quote) < len(LONG) / 2 for cited in answer.citations)


def test_the_index_searches_exactly_as_its_vectors_say(assistant, index):
    retriever = index.as_retriever(similarity_top_k=3)
    scores = [node.score for node in retriever.retrieve(ASKED)]
    assert scores == sorted(scores, reverse=True)
    embedder = assistant.collection.embedder(assistant.collection.library.manifest())
    query, text = embedder.embed_queries([ASKED, "title: Glaciers\n\n" + PAPERS[1].abstract])
    assert scores[0] == pytest.approx(float(query @ text), abs=1e-5)


# --- the factory and the thresholds ----------------------------------------------------------------------


def test_every_system_opens_by_name_and_shares_one_index(assistant):
    embedded = assistant.collection.embedder(assistant.collection.library.manifest())
    before = embedded.embedded
    systems = open_systems(NAMES, assistant, ScriptedModel(name="gpt-x"))
    assert embedded.embedded - before == 6  # the chunks of four papers, once
    assert [system.name for system in systems] == [
        "citewell quotes",
        "citewell gpt-x",
        "BM25 only",
        "dense only",
        "LlamaIndex",
        "LlamaIndex with cutoff",
        "LlamaIndex CitationQueryEngine",
        "LlamaIndex CitationQueryEngine with cutoff",
    ]
    for system in systems:
        assert system.search(ASKED, 2)[0] == "glaciers"
        assert len(system.search(ASKED, 2)) <= 2
        assert system.paper("violins") == assistant.show("violins")
        system.close()
    assert assistant.show("corals").title == "Corals"


def test_citewell_answers_by_quotes_beside_a_model(assistant):
    model = ScriptedModel()
    quotes, _ = open_systems(["citewell", "citewell-llm"], assistant, model)
    assert quotes.ask(ASKED).engine.llm == "quotes" and model.asked == []


def test_citewell_with_a_model_asks_it_each_time(assistant):
    model = ScriptedModel("nothing to parse", "nothing to parse", "nothing to parse", "nothing to parse")
    (system,) = open_systems(["citewell-llm"], assistant, model)
    assert system.ask(ASKED).engine.llm == "scripted"
    asked = len(model.asked)
    system.ask(ASKED)
    assert len(model.asked) == 2 * asked > 0


def test_a_system_is_refused_by_name(assistant):
    with pytest.raises(UsageError, match="Unknown system 'bm26': choose from citewell,"):
        open_systems(["bm26"], assistant)
    for name in NEED_A_MODEL:
        with pytest.raises(UsageError, match="needs a language model"):
            open_systems([name], assistant)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEED_A_MODEL])
def test_a_question_that_is_none_is_refused(assistant, name):
    (system,) = open_systems([name], assistant)
    with pytest.raises(UsageError, match="The question is empty"):
        system.ask("  ")


def test_an_empty_collection_is_an_error(tmp_path):
    with Assistant.open(tmp_path, embedder=HashEmbedder()) as empty:
        with pytest.raises(NoCollectionError, match="The collection is empty"):
            LexicalSystem(empty, 0.0).ask(ASKED)


def test_the_best_threshold_by_hand():
    answerable = [False, False, True, False, True, True]
    confidences = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert refusal_f1(confidences, answerable, 0.25) == pytest.approx(0.8)  # 2 of 2 right, 2 of 3 found
    threshold, f1 = best_threshold(confidences, answerable)
    assert threshold == pytest.approx(0.45) and f1 == pytest.approx(6 / 7)
    assert best_threshold([0.5, 0.6], [True, True])[0] < 0.5  # nothing to refuse: nothing is


def test_thresholds_are_fitted_for_three_systems(assistant):
    cases = [
        _case("1", ASKED, answerable=True),
        _case("2", STRANGE, answerable=False),
    ]
    fitted = fit(assistant, cases, "made up")
    assert fitted.refusal_f1 == {"bm25": 1.0, "dense": 1.0, "llamaindex": 1.0}
    assert LexicalSystem(assistant, fitted.bm25).ask(STRANGE).abstained
    assert not DenseSystem(assistant, fitted.dense).ask(ASKED).abstained


def test_the_stored_thresholds_are_fitted():
    stored = load_thresholds()
    assert stored.fitted_on == "pages-dev.jsonl"
    assert all(0 < value < 1 for value in (stored.bm25, stored.dense, stored.llamaindex))
    assert set(stored.refusal_f1) == {"bm25", "dense", "llamaindex"}


def _sentence_cosines(assistant: Assistant, question: str) -> list[float]:
    collection = assistant.collection
    manifest = collection.library.manifest()
    vector = collection.embedder(manifest).embed_queries([question])[0]
    passages = collection.passages(manifest)
    return sorted((float(c) for row in passages for c in passages[row].chunks @ vector), reverse=True)


def _case(case_id: str, question: str, answerable: bool) -> Case:
    kind, papers = ("fact", ("Glaciers",)) if answerable else ("far_off", ())
    facts = (("two metres",),) if answerable else ()
    return Case(
        id=case_id, question=question, kind=kind, answerable=answerable, papers=papers, facts=facts, why="-"
    )
