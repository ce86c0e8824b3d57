"""The LlamaIndex adapters, alone and among LlamaIndex's own parts."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from citewell import Assistant, Filters, Listing, Paper
from citewell.embedding.base import with_title
from citewell.errors import NoCollectionError, UsageError
from citewell.llama_index import (
    CitewellQueryEngine,
    CitewellRetriever,
    Level,
    MiniLMEmbedding,
    SentenceChunker,
    documents,
    papers_from_documents,
)
from citewell.types import Done, Event
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.indices.vector_store import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms.mock import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.core.vector_stores.utils import node_to_metadata_dict

PAPERS = (
    Paper(
        "Coral Reefs under Heat",
        "Coral reefs bleach when the sea stays warm. We surveyed 412 reefs over nine years. Bleaching fell "
        "by 31% where cool water wells up.",
        paper_id="reefs",
        listings=(Listing("marine; page.txt", "Aug 22"), Listing("trending.txt")),
        authors=("Ana Díaz", "Bo Li"),
        year=2021,
        url="https://example.org/reefs",
        doi="10.1000/reefs",
        categories=("q-bio.PE", "physics.ao-ph"),
    ),
    Paper(
        "Sparse Attention for Long Documents",
        "Attention costs grow with the square of the length. Our sparse attention reads 64,000 tokens on one "
        "graphics card.",
        paper_id="attention",
        authors=("Cy Young",),
        year=2023,
        arxiv_id="2301.00001",
        categories=("cs.CL",),
    ),
    Paper(
        "Bread without Kneading",
        "Dough rises without kneading when it rests for 18 hours. The crumb 𝄞 is open and the crust — crisp.",
        paper_id="bread",
        year=2019,
    ),
    Paper(
        "Bees and Pesticides",
        "Honey bees exposed to imidacloprid forget the way home. Colonies lost a third of their foragers.",
        paper_id="bees",
    ),
)
QUESTION = "By how much did coral bleaching fall where cool water wells up?"
OFF_TOPIC = "Who won the 1998 football world cup?"


@pytest.fixture(scope="module")
def assistant() -> Iterator[Assistant]:
    with Assistant.from_papers(PAPERS) as opened:
        yield opened


def texts(found: list[NodeWithScore]) -> list[TextNode]:
    nodes = [scored.node for scored in found]
    assert all(isinstance(node, TextNode) for node in nodes)
    return [node for node in nodes if isinstance(node, TextNode)]


def response(engine: CitewellQueryEngine, question: str) -> Response:
    answered = engine.query(question)
    assert isinstance(answered, Response)
    return answered


def assert_in_place(assistant: Assistant, nodes: list[TextNode]) -> None:
    assert nodes
    for node in nodes:
        assert node.ref_doc_id is not None
        abstract = assistant.show(node.ref_doc_id).abstract
        assert abstract[node.start_char_idx : node.end_char_idx] == node.text


# --- the retriever -------------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [None, Filters(years=(2020, None)), Filters(categories=("cs",))])
def test_papers_are_those_of_search(assistant: Assistant, filters: Filters | None) -> None:
    found = CitewellRetriever(assistant, 3, filters).retrieve("warm sea and long documents")
    results = assistant.search("warm sea and long documents", 3, filters)
    assert results
    assert [(node.node_id, node.score) for node in found] == [(r.paper_id, r.score) for r in results]
    assert [node.text for node in texts(found)] == [assistant.show(r.paper_id).abstract for r in results]
    assert_in_place(assistant, texts(found))


def test_a_paper_node_tells_of_its_paper(assistant: Assistant) -> None:
    (node,) = texts(CitewellRetriever(assistant, 1).retrieve("coral"))
    assert node.metadata == {
        "title": "Coral Reefs under Heat",
        "authors": "Ana Díaz; Bo Li",
        "year": 2021,
        "url": "https://example.org/reefs",
        "paper_id": "reefs",
        "doi": "10.1000/reefs",
        "categories": "q-bio.PE; physics.ao-ph",
        "listings": '[{"source": "marine; page.txt", "date": "Aug 22"}, '
        '{"source": "trending.txt", "date": null}]',
    }
    shown = "title: Coral Reefs under Heat"
    assert node.get_content(MetadataMode.EMBED) == f"{shown}\n\n{node.text}"
    shown += "\nauthors: Ana Díaz; Bo Li\nyear: 2021"
    assert node.get_content(MetadataMode.LLM) == f"{shown}\n\n{node.text}"
    flat = node_to_metadata_dict(node, flat_metadata=True)  # what most vector stores insist on
    assert flat["ref_doc_id"] == "reefs"


def test_chunks_are_sentences_of_any_paper_in_place(assistant: Assistant) -> None:
    found = CitewellRetriever(assistant, 4, level="chunk").retrieve(QUESTION)
    assert found[0].node_id == "reefs#2"
    assert found[0].text == "Bleaching fell by 31% where cool water wells up."
    scores = [scored.get_score() for scored in found]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] <= 1
    assert len({node.ref_doc_id for node in texts(found)}) > 1
    assert_in_place(assistant, texts(found))


def test_the_shares_of_all_chunks_add_up_to_one(assistant: Assistant) -> None:
    found = CitewellRetriever(assistant, 100, level="chunk").retrieve(QUESTION)
    chunks = SentenceChunker().get_nodes_from_documents(list(documents(assistant)))
    assert {scored.node_id for scored in found} == {chunk.node_id for chunk in chunks}
    assert sum(scored.get_score() for scored in found) == pytest.approx(1)


def test_chunks_obey_filters(assistant: Assistant) -> None:
    retriever = CitewellRetriever(assistant, 10, Filters(papers=("bread",)), "chunk")
    assert {node.ref_doc_id for node in texts(retriever.retrieve(QUESTION))} == {"bread"}
    assert CitewellRetriever(assistant, 10, Filters(papers=("none",)), "chunk").retrieve(QUESTION) == []


@pytest.mark.parametrize("level", ["paper", "chunk"])
async def test_many_at_once_find_what_one_finds(assistant: Assistant, level: Level) -> None:
    retriever = CitewellRetriever(assistant, 3, level=level)
    queries = [QUESTION, "pesticides and bees", "dough"] * 4
    together = await asyncio.gather(*(retriever.aretrieve(query) for query in queries))
    assert together == [retriever.retrieve(query) for query in queries]


@pytest.mark.parametrize("level", ["paper", "chunk"])
def test_retrieving_refuses_what_search_refuses(assistant: Assistant, level: Level) -> None:
    with pytest.raises(UsageError, match="The question is empty"):
        CitewellRetriever(assistant, level=level).retrieve(" ")
    with Assistant.from_papers([]) as empty, pytest.raises(NoCollectionError, match="is empty. Fill it"):
        CitewellRetriever(empty, level=level).retrieve("coral")


def test_a_retriever_that_cannot_work_is_not_made(assistant: Assistant) -> None:
    with pytest.raises(UsageError, match="Cannot retrieve 0 nodes"):
        CitewellRetriever(assistant, 0)
    with pytest.raises(UsageError, match="Unknown level 'page': choose from paper, chunk"):
        CitewellRetriever(assistant, level="page")  # type: ignore[arg-type]


# --- the query engine ----------------------------------------------------------------------------------


def test_a_response_is_the_answer_of_ask(assistant: Assistant) -> None:
    answered = response(CitewellQueryEngine(assistant), QUESTION)
    answer = assistant.ask(QUESTION)
    assert not answer.abstained
    assert str(answered) == answer.text
    assert answered.metadata is not None
    told, expected = dict(answered.metadata["answer"]), answer.to_dict()
    assert told.pop("timings").keys() == answer.timings.keys()
    expected.pop("timings")
    assert told == expected


def test_source_nodes_are_the_quotes_cited(assistant: Assistant) -> None:
    answered = response(CitewellQueryEngine(assistant), QUESTION)
    citations = assistant.ask(QUESTION).citations
    nodes = texts(answered.source_nodes)
    told = [(n.metadata["number"], n.ref_doc_id, n.text, n.start_char_idx, n.end_char_idx) for n in nodes]
    assert told == [(c.number, c.paper_id, c.quote, c.start, c.end) for c in citations]
    assert nodes[0].node_id == f"reefs#{citations[0].start}-{citations[0].end}"
    assert nodes[0].metadata["authors"] == "Ana Díaz; Bo Li"
    scores = {result.paper_id: result.score for result in assistant.search(QUESTION)}
    assert [scored.score for scored in answered.source_nodes] == [scores[c.paper_id] for c in citations]
    assert_in_place(assistant, nodes)


def test_a_paper_removed_after_it_was_cited_is_known_by_its_citation() -> None:
    class Removing(Assistant):
        def stream(self, question: str, filters: Filters | None = None) -> Iterator[Event]:
            for event in super().stream(question, filters):
                if isinstance(event, Done):
                    self.remove(["reefs"])
                yield event

    with Assistant.from_papers(PAPERS[:2]) as opened:
        removing = Removing(opened.collection, opened.settings)
        (node,) = texts(response(CitewellQueryEngine(removing), QUESTION).source_nodes)[:1]
        assert opened.stats()["papers"] == 1
    assert node.ref_doc_id == "reefs"
    assert node.text == PAPERS[0].abstract[node.start_char_idx : node.end_char_idx]
    assert node.metadata.keys() == {"title", "url", "paper_id", "number"}


def test_an_abstention_has_its_message_and_no_sources(assistant: Assistant) -> None:
    answered = response(CitewellQueryEngine(assistant), OFF_TOPIC)
    assert str(answered) == assistant.ask(OFF_TOPIC).text
    assert answered.source_nodes == []
    assert answered.metadata is not None
    assert answered.metadata["answer"]["abstained"]


def test_the_query_engine_obeys_filters(assistant: Assistant) -> None:
    answered = response(CitewellQueryEngine(assistant, Filters(papers=("bread",))), QUESTION)
    assert answered.metadata is not None
    assert answered.metadata["answer"]["coverage"]["papers"] == 1
    assert {node.ref_doc_id for node in texts(answered.source_nodes)} <= {"bread"}


async def test_queries_can_be_awaited_and_are_traced(assistant: Assistant) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    engine = CitewellQueryEngine(assistant, callback_manager=CallbackManager([debug]))
    answered = await engine.aquery(QueryBundle(QUESTION))
    assert str(answered) == assistant.ask(QUESTION).text
    (pair,) = debug.get_event_pairs(CBEventType.QUERY)
    assert pair[-1].payload is not None
    assert str(pair[-1].payload["response"]) == str(answered)
    assert engine.get_prompts() == {}


# --- documents -----------------------------------------------------------------------------------------


def test_documents_give_back_the_same_papers(assistant: Assistant) -> None:
    written = list(documents(assistant))
    assert [document.id_ for document in written] == [paper.paper_id for paper in PAPERS]
    assert papers_from_documents(written) == list(PAPERS)
    sent = [Document.from_json(document.to_json()) for document in written]
    assert papers_from_documents(sent) == list(PAPERS)


def test_a_collection_made_from_documents_answers_the_same(assistant: Assistant) -> None:
    with Assistant.from_papers(papers_from_documents(documents(assistant))) as copy:
        assert copy.stats()["collection"] == assistant.stats()["collection"]
        assert copy.search(QUESTION) == assistant.search(QUESTION)


@pytest.mark.parametrize(
    ("document", "paper"),
    [
        (Document(text="\n A title \n\nAn abstract.\nOn. \n"), Paper("A title", "An abstract.\nOn.")),
        (Document(text=" Kept \n", metadata={"title": "T", "page": 3}), Paper("T", " Kept \n")),
        (
            Document(text="Text.", metadata={"title": "T", "year": "1999", "authors": None, "doi": ""}),
            Paper("T", "Text.", year=1999),
        ),
        (
            Document(text="Text.", metadata={"title": "T", "authors": "A;B", "listings": [{"source": "p"}]}),
            Paper("T", "Text.", authors=("A", "B"), listings=(Listing("p"),)),
        ),
    ],
)
def test_foreign_documents_become_papers(document: Document, paper: Paper) -> None:
    assert papers_from_documents([document]) == [paper]


@pytest.mark.parametrize(
    ("text", "metadata", "told"),
    [
        ("Only a line.", {}, "Document 2 ('x') lacks a title or an abstract"),
        (" ", {"title": "T"}, "Document 2 ('x') lacks a title or an abstract"),
        ("Text.", {"title": "T", "year": "soon"}, "metadata['year'] = 'soon': Input should be a valid"),
        ("Text.", {"title": 7}, "metadata['title'] = 7"),
        ("Text.", {"title": "T", "listings": "a page"}, "metadata['listings'] = 'a page'"),
    ],
)
def test_what_is_no_paper_is_told_in_one_line(text: str, metadata: dict[str, object], told: str) -> None:
    good = Document(text="A title\nAn abstract.")
    with pytest.raises(UsageError) as raised:
        papers_from_documents([good, Document(id_="x", text=text, metadata=metadata)])
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


# --- the embedding and the node parser -----------------------------------------------------------------


async def test_the_embedding_is_the_one_of_the_collection(assistant: Assistant) -> None:
    embedding = MiniLMEmbedding()
    sentences = [with_title(paper.title, paper.abstract) for paper in PAPERS]
    batch = embedding.get_text_embedding_batch(sentences)
    library = assistant.collection.library
    rows = library.rows_of([paper.paper_id for paper in PAPERS])
    stored = library.passages(list(rows.values()), library.manifest())
    # The library keeps float16.
    np.testing.assert_allclose(batch, [stored[rows[p.paper_id]].abstract for p in PAPERS], atol=2e-3)
    assert await embedding.aget_text_embedding_batch(sentences) == batch
    assert [embedding.get_text_embedding(text) for text in sentences] == batch
    assert await embedding.aget_text_embedding(sentences[0]) == batch[0]
    query = embedding.get_query_embedding(sentences[0])
    assert await embedding.aget_query_embedding(sentences[0]) == query
    np.testing.assert_allclose(query, batch[0], atol=1e-6)


def test_the_embedding_and_the_chunker_survive_pickling() -> None:
    # IngestionPipeline sends them to other processes.
    embedding, chunker = pickle.loads(pickle.dumps((MiniLMEmbedding(), SentenceChunker(chunk_size=20))))
    assert embedding.get_text_embedding("coral") == MiniLMEmbedding().get_text_embedding("coral")
    (node,) = chunker.get_nodes_from_documents([Document(id_="d", text="A short text.")])
    assert (chunker.chunk_size, node.node_id) == (20, "d#0")


def test_chunks_stand_where_they_were_cut() -> None:
    # The second sentence also stands inside the first, and another is repeated: looked up by their text, as
    # LlamaIndex does it, they would be misplaced.
    text = "  Nobody doubts that We won the cup. We won the cup.  So did you. So did you. 🐝 Bees — too.\n"
    document = Document(id_="d", text=text, metadata={"title": "T"})
    nodes = texts([NodeWithScore(node=n) for n in SentenceChunker().get_nodes_from_documents([document])])
    assert [node.node_id for node in nodes] == [f"d#{i}" for i in range(len(nodes))]
    assert [document.text[n.start_char_idx : n.end_char_idx] for n in nodes] == [node.text for node in nodes]
    starts = [node.start_char_idx or 0 for node in nodes]
    ends = [node.end_char_idx or 0 for node in nodes]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert len(nodes) > 3
    assert {node.metadata["title"] for node in nodes} == {"T"}
    assert nodes[1].prev_node is not None
    assert nodes[1].prev_node.node_id == "d#0"
    assert SentenceChunker().get_nodes_from_documents([Document(text=" \n")]) == []


def test_a_long_sentence_is_cut_at_the_chunk_size() -> None:
    document = Document(text="one, two, three, " * 40)
    assert len(SentenceChunker().get_nodes_from_documents([document])) == 2
    assert len(SentenceChunker(chunk_size=16).get_nodes_from_documents([document])) > 10


# --- among LlamaIndex's own parts ----------------------------------------------------------------------


def test_their_query_engine_runs_over_our_retriever(assistant: Assistant) -> None:
    engine = RetrieverQueryEngine.from_args(
        CitewellRetriever(assistant, 2),
        llm=MockLLM(),  # echoes its prompt
        response_mode=ResponseMode.COMPACT,
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.5)],
    )
    answered = engine.query(QUESTION)
    assert [node.node_id for node in answered.source_nodes] == ["reefs"]
    assert PAPERS[0].abstract in str(answered)
    assert "authors: Ana Díaz; Bo Li" in str(answered)
    assert "example.org" not in str(answered)


def test_their_pipeline_fills_a_store_with_our_parts(assistant: Assistant) -> None:
    store, embedding = SimpleVectorStore(), MiniLMEmbedding()
    pipeline = IngestionPipeline(transformations=[SentenceChunker(), embedding], vector_store=store)
    nodes = pipeline.run(documents=list(documents(assistant)))
    found = store.query(VectorStoreQuery(embedding.get_query_embedding(QUESTION), similarity_top_k=1))
    assert found.ids == ["reefs#2"]
    assert len(nodes) == len({node.node_id for node in nodes}) == len(store.data.embedding_dict)
    index = VectorStoreIndex(nodes, embed_model=embedding)
    (best,) = index.as_retriever(similarity_top_k=1).retrieve(QUESTION)
    assert (best.node_id, best.node.ref_doc_id) == ("reefs#2", "reefs")


def test_a_retriever_sees_what_is_removed_after_it_was_made() -> None:
    again = replace(PAPERS[3], paper_id="bees-2", title="Bees Again")
    with Assistant.from_papers([*PAPERS, again]) as changing:
        retriever = CitewellRetriever(changing, 10)
        assert "bees-2" in {node.node_id for node in retriever.retrieve("bees")}
        changing.remove(["bees-2"])
        assert "bees-2" not in {node.node_id for node in retriever.retrieve("bees")}
