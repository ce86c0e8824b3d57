"""Stock LlamaIndex over a Chroma collection on disk, as its own documentation sets it up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings as ChromaSettings
from llama_index.core import StorageContext
from llama_index.vector_stores.chroma import ChromaVectorStore


class ChromaOnDisk:
    """A Chroma collection in a folder, with texts and vectors of LlamaIndex's nodes.

    Args:
        folder: where it is, or is made.
    """

    def __init__(self, folder: Path) -> None:
        settings = ChromaSettings(anonymized_telemetry=False)
        self._client: Any = chromadb.PersistentClient(str(folder), settings)
        self._collection = self._client.get_or_create_collection("llamaindex", embedding_function=None)

    @property
    def store(self) -> ChromaVectorStore:
        """The collection as LlamaIndex sees it."""
        return ChromaVectorStore(chroma_collection=self._collection)

    def context(self) -> StorageContext:
        """Returns what an index is told to store its nodes in."""
        return StorageContext.from_defaults(vector_store=self.store)

    def count(self) -> int:
        """Returns how many nodes it holds."""
        return int(self._collection.count())

    def close(self) -> None:
        """Releases the files."""
        self._client.close()
