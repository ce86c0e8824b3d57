"""The whole path on a real model, a real library and a real index, over a few papers of our own."""

import asyncio
import json
import threading

import citewell
import pytest
from citewell import Answer, Assistant, CitewellError, Filters, Listing, Paper
from citewell.errors import CorpusError, NoCollectionError, UsageError
from citewell.types import Done, Retrieved, SentenceReady
from fakes import ScriptedModel

PAPERS = [
    Paper(
        "HoneyMap: tracing lavender pollination with radar",
        "Bees visit lavender more often than any other plant in our study. We introduce HoneyMap, a radar system that "
        "follows single bees for up to 40 km. Across three summers it recorded 1,250 flights. Hives near lavender "
        "yielded 17% more honey.",
        listings=(Listing("garden.txt", "Aug 22"),),
        authors=("Ada Apis",),
        year=2024,
        url="https://example.org/honeymap",
    ),
    Paper(
        "IceClock: dating glaciers by trapped air",
        "Glaciers trap air while they grow. We present IceClock, which dates ice from the argon in its bubbles. On 61 "
        "cores the error is below 2%. IceClock needs no radiocarbon and runs in 5 minutes on a laptop.",
        listings=(Listing("ice.txt", "Sep 4"),),
        year=2019,
    ),
    Paper(
        "Reef acoustics predict coral recovery",
        "Healthy reefs are loud. Recordings from 34 reefs show that sound level predicts coral recovery after "
        "bleaching. A hydrophone costs less than a dive survey.",
        listings=(Listing("garden.txt", "Aug 22"),),
    ),
    Paper(
        "A violin varnish without solvents",
        "Varnish shapes the sound of a violin. We describe a varnish made from linseed oil and resin that needs no "
        "solvent. Players could not tell it from the classic recipe.",
    ),
]


@pytest.fixture(scope="module")
def assistant():
    with Assistant.from_papers(PAPERS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "title", "fact"),
    [
        (
            "Which plant do bees visit most often?",
            "HoneyMap: tracing lavender pollination with radar",
            "lavender",
        ),
        ("How many reefs were recorded?", "Reef acoustics predict coral recovery", "34 reefs"),
        ("What is IceClock?", "IceClock: dating glaciers by trapped air", "dates ice from the argon"),
        (
            "By how much did the honey yield rise near lavender?",
            "HoneyMap: tracing lavender pollination with radar",
            "17%",
        ),
    ],
)
def test_an_answer_states_the_fact_and_cites_the_paper(assistant, question, title, fact):
    answer = assistant.ask(question)
    assert not answer.abstained
    assert any(fact in citation.quote and citation.title == title for citation in answer.citations)


def test_every_promise_about_citations_holds(assistant):
    for question in ["What is HoneyMap?", "How does IceClock date ice?", "Compare HoneyMap with IceClock"]:
        answer = assistant.ask(question)
        assert [c.number for c in answer.citations] == list(range(1, len(answer.citations) + 1))
        assert list(dict.fromkeys(n for s in answer.sentences for n in s.citations)) == [
            c.number for c in answer.citations
        ]
        for citation in answer.citations:
            assert assistant.show(citation.paper_id).abstract[citation.start : citation.end] == citation.quote
        assert all(s.citations and s.verdict == "quoted" for s in answer.sentences)


@pytest.mark.parametrize(
    "question", ["How do I bake sourdough bread?", "Who won the 2010 football world cup?", "asdf qwer zxcv"]
)
def test_what_the_collection_does_not_hold_is_refused(assistant, question):
    answer = assistant.ask(question)
    assert answer.abstained
    assert not answer.sentences and not answer.citations
    assert answer.abstention.kind == "nothing_relevant"
    assert answer.abstention.nearest and answer.text == answer.abstention.message


def test_the_json_has_the_fields_others_rely_on(assistant):
    answer = json.loads(json.dumps(assistant.ask("What is HoneyMap?").to_dict()))
    fields = {
        "question",
        "standalone_question",
        "text",
        "abstained",
        "abstention",
        "sentences",
        "citations",
        "rejected",
    }
    assert fields | {"coverage", "engine", "usage", "timings"} <= set(answer)
    assert set(answer["citations"][0]) == {"number", "paper_id", "title", "url", "quote", "start", "end"}
    assert set(answer["sentences"][0]) == {"text", "citations", "verdict"}
    assert set(answer["coverage"]) == {"papers", "matched", "read", "cited"}
    assert set(answer["engine"]) == {"llm", "embedding", "prompt", "prompt_sha256", "collection"}
    assert answer["coverage"]["papers"] == 4
    assert answer["engine"]["llm"] == "quotes"


def test_a_stream_retrieves_then_gives_sentences_then_the_same_answer(assistant):
    events = list(assistant.stream("What is HoneyMap?"))
    assert isinstance(events[0], Retrieved) and isinstance(events[-1], Done)
    ready = [event.sentence for event in events if isinstance(event, SentenceReady)]
    assert tuple(ready) == events[-1].answer.sentences == assistant.ask("What is HoneyMap?").sentences


def test_the_async_twins_give_the_same(assistant):
    async def both():
        answer = await assistant.aask("What is IceClock?")
        events = [event async for event in assistant.astream("What is IceClock?")]
        return answer, events

    answer, events = asyncio.run(both())
    assert isinstance(answer, Answer)
    assert answer.sentences == events[-1].answer.sentences == assistant.ask("What is IceClock?").sentences


def test_an_error_reaches_the_consumer_of_an_async_stream(assistant):
    async def consume():
        return [event async for event in assistant.astream("  ")]

    with pytest.raises(UsageError, match="empty"):
        asyncio.run(consume())


def test_an_async_stream_can_be_left_early(assistant):
    async def first():
        stream = assistant.astream("What is IceClock?")
        async for event in stream:
            await stream.aclose()
            return event

    assert isinstance(asyncio.run(first()), Retrieved)


def test_filters_restrict_what_is_read(assistant):
    answer = assistant.ask("What is IceClock?", Filters(listings=("garden",)))
    assert answer.coverage.papers == 2
    assert all(citation.title != PAPERS[1].title for citation in answer.citations)


def test_many_threads_share_one_assistant(assistant):
    questions = ["What is IceClock?", "What is HoneyMap?", "How many reefs were recorded?"] * 4
    expected = {question: assistant.ask(question).sentences for question in set(questions)}
    got, errors = {}, []

    def run(place, question):
        try:
            got[place] = (question, assistant.ask(question).sentences)
        except CitewellError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(questions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(got) == len(questions) and all(expected[question] == found for question, found in got.values())


def test_show_gives_the_paper_as_it_was_given(assistant):
    (result,) = assistant.search("lavender radar", k=1)
    paper = assistant.show(result.paper_id)
    assert (paper.title, paper.abstract, paper.authors, paper.year) == (
        PAPERS[0].title, PAPERS[0].abstract, ("Ada Apis",), 2024,
    )  # fmt: skip
    assert paper.listings == (Listing("garden.txt", "Aug 22"),)


def test_show_of_an_unknown_paper_is_an_error(assistant):
    with pytest.raises(UsageError, match="No paper 'nope'"):
        assistant.show("nope")


def test_search_needs_a_positive_number(assistant):
    with pytest.raises(UsageError, match="0 results"):
        assistant.search("bees", k=0)


def test_an_empty_collection_says_how_to_fill_it(tmp_path):
    with (
        Assistant.open(tmp_path / "data") as empty,
        pytest.raises(NoCollectionError, match="citewell ingest"),
    ):
        empty.ask("anything")


def test_a_missing_collection_is_an_error_unless_it_may_be_made(tmp_path):
    with pytest.raises(NoCollectionError, match="No collection at"):
        Assistant.open(tmp_path / "data", create=False)


def test_papers_without_a_title_or_abstract_are_refused_and_nothing_is_left_behind():
    with pytest.raises(UsageError, match="Paper 2"):
        Assistant.from_papers([PAPERS[0], Paper("Title", " ")])


def test_a_folder_with_nothing_readable_raises_with_the_report(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with Assistant.open(tmp_path / "data") as opened, pytest.raises(CorpusError) as raised:
        opened.ingest([tmp_path / "picture.png"])
    assert len(raised.value.report.rejected) == 1


def test_a_misspelt_word_still_finds_its_paper(assistant):
    assert assistant.search("lavendr pollinaton", k=1)[0].title == PAPERS[0].title
    assert not assistant.ask("What is IceClok?").abstained


def test_a_premise_that_an_abstract_denies_is_pointed_out(assistant):
    answer = assistant.ask("Why does IceClock need radiocarbon for dating glaciers?")
    assert answer.abstained and answer.abstention.kind == "reports_opposite"
    assert "needs no radiocarbon" in answer.text


def test_the_front_door_is_these_names_and_no_others():
    assert citewell.__all__ == sorted(citewell.__all__)
    assert set(citewell.__all__) == {
        "Abstention", "Answer", "Assistant", "Citation", "CitewellError", "Event", "Filters", "Listing", "Paper",
        "SearchResult", "Sentence", "Settings",
    }  # fmt: skip
    assert all(hasattr(citewell, name) for name in citewell.__all__)


def test_a_view_has_its_own_settings_and_leaves_the_collection_open(assistant):
    question = "Which plant do bees visit most often?"
    with assistant.using(gate_threshold=1.0) as strict:
        assert strict.ask(question).abstained
    assert not assistant.ask(question).abstained
    with pytest.raises(UsageError):
        assistant.using(similarity_top_k=0)


def test_a_view_with_the_model_of_this_machine_reads_less_unless_somebody_said_how_much(assistant):
    local = assistant.using(llm="local")
    assert (assistant.settings.source_tokens, local.settings.source_tokens) == (3_000, 600)
    assert local.using(llm="some-model").settings.source_tokens == 3_000
    assert assistant.using(source_tokens=900).using(llm="local").settings.source_tokens == 900


def test_the_views_of_an_assistant_share_a_model_that_is_loaded_once(assistant, monkeypatch):
    loaded = []

    def load(settings, name):
        loaded.append(ScriptedModel(*["nothing"] * 9))
        return loaded[-1]

    monkeypatch.setattr("citewell.llm.load_llm", load)
    engine = assistant.using(llm="some-model")
    engine.using(similarity_top_k=3).ask("Which plant do bees visit most often?")
    engine.ask("Which plant do bees visit most often?")
    assistant.using(llm="some-model").ask("Which plant do bees visit most often?")
    assert len(loaded) == 1
