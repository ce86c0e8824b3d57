"""What stock LlamaIndex is given, so that it differs from Citewell in nothing but itself.

The same papers, the same embedding model, the same language model through the same client, and Chroma. It runs where
the developers' packages are not installed, so `ChromaStore` does over chromadb what llama-index-vector-stores-chroma
does.
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import chromadb
import numpy as np
from chromadb.config import Settings as ChromaSettings
from citewell.embedding.base import Embedder, Passages
from citewell.llm import LanguageModel, Message, Usage
from citewell.llm.base import Role
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from citewell.assistant import Assistant

CHUNK_TOKENS, CHUNK_OVERLAP = 1024, 20
_ADDED_AT_ONCE = 2_000  # Chroma takes at most 5,461


class SameEmbedding(BaseEmbedding):
    """An embedder of Citewell as a LlamaIndex embedding: a text is one vector, title and abstract alike.

    Args:
        embedder: the collection's own.
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(model_name=embedder.name, embed_batch_size=64)
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex stores this component."""
        return "SameEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        embedding: list[float] = self._embedder.embed_queries([query])[0].tolist()
        return embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        papers = self._embedder.embed_papers([Passages("", text) for text in texts])
        return [paper.abstract.tolist() for paper in papers]


class SameModel(CustomLLM):
    """A language model of Citewell as a LlamaIndex chat model; counts what it consumes.

    Args:
        model: the language model.
        max_tokens: the longest reply.
    """

    _model: LanguageModel = PrivateAttr()
    _max_tokens: int = PrivateAttr()
    _usage: Usage = PrivateAttr(default_factory=Usage)

    def __init__(self, model: LanguageModel, max_tokens: int) -> None:
        super().__init__()
        self._model, self._max_tokens = model, max_tokens

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex stores this component."""
        return "SameModel"

    @property
    def usage(self) -> Usage:
        """What all replies have consumed."""
        return self._usage

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex fits its prompts to; a context of unknown size has LlamaIndex's default."""
        known = self._model.context_tokens
        room = {} if known is None else {"context_window": known}
        return LLMMetadata(
            num_output=self._max_tokens, is_chat_model=True, model_name=self._model.name, **room
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: object) -> ChatResponse:
        """Return the whole reply to a conversation; what goes wrong is a `GenerationError`."""
        text = self._reply([Message(_role(message.role), message.content or "") for message in messages])
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: object) -> CompletionResponse:
        """Return the whole reply to a prompt, sent as a user's message."""
        return CompletionResponse(text=self._reply([Message("user", prompt)]))

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: object
    ) -> CompletionResponseGen:
        """Yield the whole reply at once: nobody reads it earlier."""
        text = self._reply([Message("user", prompt)])
        yield CompletionResponse(text=text, delta=text)

    def _reply(self, messages: Sequence[Message]) -> str:
        with self._model.stream(messages, max_tokens=self._max_tokens) as reply:
            try:
                return "".join(reply)
            finally:
                self._usage += reply.usage


def _role(role: MessageRole) -> Role:
    if role == MessageRole.SYSTEM:
        return "system"
    return "assistant" if role == MessageRole.ASSISTANT else "user"


class ChromaStore(BasePydanticVectorStore):
    """A Chroma collection in memory, of cosine distance, deleted when the store is dropped.

    It holds ids and vectors; the texts stay in LlamaIndex's document store. A similarity is a cosine.
    """

    stores_text: bool = False

    _collection: chromadb.Collection = PrivateAttr()

    def __init__(self) -> None:
        super().__init__(stores_text=False)
        client = chromadb.EphemeralClient(ChromaSettings(anonymized_telemetry=False))
        name = f"llamaindex-{uuid.uuid4().hex}"  # clients in memory share one database a process
        # One thread builds the graph, so that it is the same each time.
        configuration: Any = {"hnsw": {"space": "cosine", "num_threads": 1}}
        self._collection = client.create_collection(
            name, embedding_function=None, configuration=configuration
        )
        weakref.finalize(self, client.delete_collection, name)

    @property
    def client(self) -> chromadb.Collection:
        """The collection."""
        return self._collection

    def add(self, nodes: Sequence[BaseNode], **kwargs: object) -> list[str]:
        """Add nodes that carry embeddings; return their ids."""
        ids = [node.node_id for node in nodes]
        vectors = np.array([node.get_embedding() for node in nodes], dtype=np.float32)
        for start in range(0, len(ids), _ADDED_AT_ONCE):
            end = start + _ADDED_AT_ONCE
            self._collection.add(ids=ids[start:end], embeddings=vectors[start:end])
        return ids

    def delete(self, ref_doc_id: str, **delete_kwargs: object) -> None:
        """Refuse: an index is made for one run and never changed."""
        raise NotImplementedError(f"Cannot delete {ref_doc_id}: build the index again.")

    def query(self, query: VectorStoreQuery, **kwargs: object) -> VectorStoreQueryResult:
        """Return the nearest nodes by id, with their cosines."""
        vector = np.array([query.query_embedding], dtype=np.float32)
        limit = min(query.similarity_top_k, self._collection.count())
        found = self._collection.query(query_embeddings=vector, n_results=limit, include=["distances"])
        distances = (found["distances"] or [[]])[0]
        return VectorStoreQueryResult(ids=found["ids"][0], similarities=[1 - far for far in distances])


def build_index(assistant: Assistant) -> VectorStoreIndex:
    """Returns a stock index of all papers: one document a paper, its title as metadata, LlamaIndex's default chunks.

    LlamaIndex embeds "title: …" with every chunk, and shows it to the language model.
    """
    collection = assistant.collection
    documents = [
        Document(id_=paper.paper_id, text=paper.abstract, metadata={"title": paper.title})
        for _, paper in collection.library.iterate()
    ]
    embedder = collection.embedder(collection.snapshot().manifest)
    return VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(vector_store=ChromaStore()),
        embed_model=SameEmbedding(embedder),
        transformations=[SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=CHUNK_OVERLAP)],
    )
