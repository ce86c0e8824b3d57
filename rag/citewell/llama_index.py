"""Citewell in LlamaIndex programs: retriever, query engine, embedding, node parser, documents in and out.

    retriever = CitewellRetriever(assistant, similarity_top_k=5)
    RetrieverQueryEngine.from_args(retriever, llm=llm).query("…")    # their synthesis over our retrieval
    CitewellQueryEngine(assistant).query("…")                        # our cited answer as a Response

A paper is a LlamaIndex document: its id is the paper id, its text the abstract exactly as given, so that
offsets are those of `Citation`. Its metadata is flat, as vector stores ask for: names are joined by "; ",
listings are JSON, and what a paper lacks is left out. Importing this module imports llama_index (a second or
so); nothing on the command line's query path does.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Literal, get_args

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.node_parser.interface import IdFuncCallable, NodeParser
from llama_index.core.node_parser.node_utils import build_nodes_from_splits
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    NodeWithScore,
    ObjectType,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.utils import get_tqdm_iterable
from pydantic import Field, PrivateAttr, TypeAdapter, ValidationError

from citewell.assistant import Assistant
from citewell.chunking import chunk_spans
from citewell.embedding.base import Passages
from citewell.embedding.minilm import MiniLM
from citewell.errors import NoCollectionError, UsageError
from citewell.evidence import Evidence, gather
from citewell.library import Filters
from citewell.question import analyse
from citewell.retriever import HybridRetriever
from citewell.settings import Settings
from citewell.types import Answer, Done, Event, Paper, Retrieved, Span

Level = Literal["paper", "chunk"]

_BETWEEN_NAMES = "; "
_LISTS = ("authors", "categories", "listings")
_PAPER = TypeAdapter(Paper)
_FIELDS = tuple(field.name for field in fields(Paper) if field.name != "abstract")
_KEYS = ("title", "authors", "year", "url", "paper_id", "doi", "arxiv_id", "categories", "listings", "number")
_NOT_EMBEDDED = tuple(key for key in _KEYS if key != "title")
_NOT_FOR_LLM = tuple(key for key in _KEYS if key not in ("title", "authors", "year"))


class CitewellRetriever(BaseRetriever):
    """Retrieves papers, as `Assistant.search` does, or their chunks.

    At level "paper" a node is one paper: its abstract, with the score of `SearchResult`. At level "chunk" the
    nodes are the sentences that answer best, whatever their paper, and the score is a sentence's share of
    the likelihood among all sentences read: 0..1, comparable within one query only. Only the text of a query
    is used, not `custom_embedding_strs`: one text serves dense and lexical search.

    Args:
        assistant: the collection and its settings.
        similarity_top_k: the most nodes returned.
        filters: which papers are searched.
        level: what a node is.
        callback_manager: told of every retrieval.

    Raises:
        UsageError: `similarity_top_k` is not positive or the level is unknown.
    """

    def __init__(
        self,
        assistant: Assistant,
        similarity_top_k: int = 10,
        filters: Filters | None = None,
        level: Level = "paper",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if similarity_top_k < 1:
            raise UsageError(f"Cannot retrieve {similarity_top_k} nodes: ask for one or more.")
        if level not in get_args(Level):
            raise UsageError(f"Unknown level {level!r}: choose from {', '.join(get_args(Level))}.")
        self._assistant = assistant
        self._retriever = HybridRetriever(assistant.collection, assistant.settings)
        self._similarity_top_k = similarity_top_k
        self._filters = filters
        self._level = level
        super().__init__(callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._papers if self._level == "paper" else self._chunks
        return found(query_bundle.query_str)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _papers(self, query: str) -> list[NodeWithScore]:
        results = self._assistant.search(query, self._similarity_top_k, self._filters)
        papers = _stored(self._assistant, [result.paper_id for result in results])
        return [
            NodeWithScore(node=_whole(papers[result.paper_id]), score=result.score)
            for result in results
            if result.paper_id in papers  # removed since it was found
        ]

    def _chunks(self, query: str) -> list[NodeWithScore]:
        settings = self._assistant.settings
        retrieval = self._retriever.retrieve(query, self._filters)
        if retrieval.snapshot.manifest.papers == 0:
            raise NoCollectionError(
                f"The collection at {settings.data_dir} is empty. Fill it with `citewell ingest FILES`."
            )
        read = max(self._similarity_top_k, settings.similarity_top_k)
        evidence = gather(
            analyse(retrieval.query.text), retrieval.in_order(), self._assistant.collection.library, read
        )
        return _best_chunks(evidence, self._similarity_top_k)


class CitewellQueryEngine(BaseQueryEngine):
    """Answers as `Assistant.ask` does.

    The text of the response is `Answer.text`, for an abstention its message. The source nodes are the quotes
    cited, in the order of their numbers, each with its offsets in the abstract and the score of its paper.
    `metadata["answer"]` is `Answer.to_dict()`.

    Args:
        assistant: the collection and its settings.
        filters: which papers are searched.
        callback_manager: told of every query.
    """

    def __init__(
        self,
        assistant: Assistant,
        filters: Filters | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._assistant = assistant
        self._filters = filters
        super().__init__(callback_manager)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> Response:
        asked: dict[str, Any] = {EventPayload.QUERY_STR: query_bundle.query_str}
        with self.callback_manager.event(CBEventType.QUERY, payload=asked) as event:
            response = self._response(self._assistant.stream(query_bundle.query_str, self._filters))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)

    def _response(self, events: Iterable[Event]) -> Response:
        scores: dict[str, float] = {}
        nodes: list[NodeWithScore] = []
        for event in events:
            if isinstance(event, Retrieved):
                scores = {result.paper_id: result.score for result in event.results}
            elif isinstance(event, Done):
                nodes = self._cited(event.answer, scores)
                return Response(event.answer.text, nodes, {"answer": event.answer.to_dict()})
        raise AssertionError("a stream ends with Done")

    def _cited(self, answer: Answer, scores: dict[str, float]) -> list[NodeWithScore]:
        papers = _stored(self._assistant, [citation.paper_id for citation in answer.citations])
        nodes = []
        for citation in answer.citations:
            # One removed since it was cited is known by its citation alone.
            known = Paper(citation.title, "", citation.paper_id, url=citation.url)
            span = Span(citation.start, citation.end)
            paper = papers.get(citation.paper_id, known)
            node = _node(paper, f"{paper.paper_id}#{span.start}-{span.end}", span, citation.quote)
            node.metadata["number"] = citation.number
            nodes.append(NodeWithScore(node=node, score=scores.get(citation.paper_id)))
        return nodes


class MiniLMEmbedding(BaseEmbedding):
    """The packaged all-MiniLM-L6-v2 (384 dimensions, unit length), for stock LlamaIndex programs.

    Queries and texts are embedded alike; a text longer than the model's 512 tokens takes several passes.
    """

    model_name: str = Field(default=MiniLM.name, description="Name of the packaged model.", frozen=True)
    embed_batch_size: int = Field(default=64, gt=0, le=2048, description="Texts embedded side by side.")

    _model: MiniLM = PrivateAttr(default_factory=MiniLM)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex stores this component."""
        return "MiniLMEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        embedding: list[float] = self._model.embed_queries([query])[0].tolist()
        return embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        papers = self._model.embed_papers([Passages("", text) for text in texts])
        return [paper.abstract.tolist() for paper in papers]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def chunk_id(i: int, doc: BaseNode) -> str:
    """Returns the id of the i-th chunk of a document, counted from 0."""
    return f"{doc.node_id}#{i}"


class SentenceChunker(NodeParser):
    """Parses documents into Citewell's chunks: whole sentences, cut only where one is too long.

    Every node knows its place: `document.text[start_char_idx:end_char_idx] == node.text`. Its id is that of
    the document with "#0", "#1" …, unless `id_func` says otherwise. `chunk_size` does not count metadata.
    """

    chunk_size: int = Field(
        default=Settings.model_fields["chunk_tokens"].default,
        ge=16,
        le=2048,
        description="Longest chunk, in tiktoken cl100k_base tokens.",
    )

    id_func: IdFuncCallable = Field(default=chunk_id, description="Function to generate node ids.")

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex stores this component."""
        return "SentenceChunker"

    def _parse_nodes(
        self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: object
    ) -> list[BaseNode]:
        parsed: list[BaseNode] = []
        for node in get_tqdm_iterable(nodes, show_progress, "Parsing nodes"):
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            spans = chunk_spans(text, self.chunk_size)
            chunks = build_nodes_from_splits([text[a:b] for a, b in spans], node, id_func=self.id_func)
            for chunk, span in zip(chunks, spans, strict=True):
                chunk.start_char_idx, chunk.end_char_idx = span
            parsed += chunks
        return parsed

    def _postprocess_parsed_nodes(
        self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]
    ) -> list[BaseNode]:
        # LlamaIndex looks every chunk up by its text and so misplaces one that an earlier chunk contains.
        chunks = [node for node in nodes if isinstance(node, TextNode)]
        places = [(chunk.start_char_idx, chunk.end_char_idx) for chunk in chunks]
        parsed = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for chunk, place in zip(chunks, places, strict=True):
            chunk.start_char_idx, chunk.end_char_idx = place
        return parsed


def documents(assistant: Assistant) -> Iterator[Document]:
    """Yields every paper of a collection as a document, a few hundred in memory at a time."""
    for _, paper in assistant.collection.library.iterate():
        yield Document(
            id_=paper.paper_id,
            text=paper.abstract,
            metadata=_metadata(paper),
            excluded_embed_metadata_keys=list(_NOT_EMBEDDED),
            excluded_llm_metadata_keys=list(_NOT_FOR_LLM),
        )


def papers_from_documents(documents: Iterable[Document]) -> list[Paper]:
    """Returns the papers that documents hold, for `Assistant.add`; takes back what `documents` yields.

    The title is `metadata["title"]` and the abstract the whole text; without one, the title is the first line
    and the abstract what follows it. Metadata named like the other fields of `Paper` fills them; lists may be
    given in the form that `documents` writes. Everything else there is left alone.

    Raises:
        UsageError: a document lacks a title or an abstract, or one of these does not fit.
    """
    return [_paper(document, number) for number, document in enumerate(documents, 1)]


def _paper(document: Document, number: int) -> Paper:
    where = f"Document {number} ({document.node_id!r})"
    given = {key: document.metadata[key] for key in _FIELDS if document.metadata.get(key) not in (None, "")}
    abstract = document.text
    if "title" not in given:
        given["title"], _, abstract = (part.strip() for part in abstract.strip().partition("\n"))
    if not str(given["title"]).strip() or not abstract.strip():
        raise UsageError(
            f"{where} lacks a title or an abstract: set metadata['title'], make the text the abstract."
        )
    lists = {key: _list(key, given[key]) for key in _LISTS if key in given}
    try:
        return _PAPER.validate_python({**given, **lists, "abstract": abstract})
    except ValidationError as error:
        first = error.errors()[0]
        value = f"metadata[{first['loc'][0]!r}] = {given.get(str(first['loc'][0]))!r}"
        raise UsageError(f"{where}: {value}: {first['msg']}. Correct it or leave it out.") from error


def _list(key: str, value: object) -> object:
    """Takes apart what `_metadata` joined; what it cannot read is left for the validation to refuse."""
    if not isinstance(value, str):
        return value
    if key != "listings":
        return [name.strip() for name in value.split(_BETWEEN_NAMES.strip()) if name.strip()]
    try:
        return json.loads(value)
    except ValueError:
        return value


def _metadata(paper: Paper) -> dict[str, str | int]:
    listings = [{"source": listing.source, "date": listing.date} for listing in paper.listings]
    values: dict[str, str | int | None] = {
        "title": paper.title,
        "authors": _BETWEEN_NAMES.join(paper.authors),
        "year": paper.year,
        "url": paper.url,
        "paper_id": paper.paper_id,
        "doi": paper.doi,
        "arxiv_id": paper.arxiv_id,
        "categories": _BETWEEN_NAMES.join(paper.categories),
        "listings": json.dumps(listings, ensure_ascii=False) if listings else None,
    }
    return {key: value for key, value in values.items() if value not in (None, "")}


def _stored(assistant: Assistant, paper_ids: Sequence[str]) -> dict[str, Paper]:
    """Returns those of the papers that the collection holds, by id."""
    library = assistant.collection.library
    papers = library.papers(list(library.rows_of(list(dict.fromkeys(paper_ids))).values()))
    return {paper.paper_id: paper for paper in papers.values()}


def _whole(paper: Paper) -> TextNode:
    return _node(paper, paper.paper_id, Span(0, len(paper.abstract)), paper.abstract)


def _node(paper: Paper, node_id: str, span: Span, text: str) -> TextNode:
    source = RelatedNodeInfo(node_id=paper.paper_id, node_type=ObjectType.DOCUMENT)
    return TextNode(
        id_=node_id,
        text=text,
        start_char_idx=span.start,
        end_char_idx=span.end,
        metadata=_metadata(paper),
        excluded_embed_metadata_keys=list(_NOT_EMBEDDED),
        excluded_llm_metadata_keys=list(_NOT_FOR_LLM),
        relationships={NodeRelationship.SOURCE: source},
    )


def _best_chunks(evidence: Evidence, limit: int) -> list[NodeWithScore]:
    """Returns the sentences with the highest logits; their softmax is what the logits were fitted as."""
    best = sorted(evidence.sentences, key=lambda s: (-s.score, s.paper, s.place))
    odds = [math.exp(sentence.score - best[0].score) for sentence in best]
    nodes = []
    for sentence, odd in zip(best[:limit], odds, strict=False):
        paper = evidence.papers[sentence.paper].paper
        node = _node(paper, f"{paper.paper_id}#{sentence.place}", sentence.span, sentence.text)
        nodes.append(NodeWithScore(node=node, score=odd / sum(odds)))
    return nodes
