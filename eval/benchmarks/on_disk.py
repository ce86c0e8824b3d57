"""Stock LlamaIndex over a Chroma collection on disk, as its own documentation sets it up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings as ChromaSettings
from citewell.embedding.minilm import packaged_model, packaged_tokenizer
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from llama_index.core import StorageContext
from llama_index.embeddings.fastembed import FastEmbedEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

_MODEL = "packaged/all-MiniLM-L6-v2"


def stock_embedding(folder: Path) -> FastEmbedEmbedding:
    """Returns the packaged model as LlamaIndex runs it: its integration of fastembed, nothing set.

    Args:
        folder: where the files of the model are written to, as fastembed reads a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(packaged_model())
    (folder / "tokenizer.json").write_bytes(packaged_tokenizer())
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512, "pad_token": "[PAD]"}))
    if _MODEL.casefold() not in {one["model"].casefold() for one in TextEmbedding.list_supported_models()}:
        TextEmbedding.add_custom_model(
            model=_MODEL,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="a/folder"),  # it insists on one; the folder is used
            dim=384,
            model_file="model.onnx",
        )
    return FastEmbedEmbedding(_MODEL, cache_dir=str(folder), specific_model_path=str(folder))


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
