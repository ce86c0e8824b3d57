"""Any LlamaIndex embedding as an embedder. Importing this module imports llama_index (a second or so)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from citewell.embedding.base import PaperVectors, Passages, embed_apart, unit_rows
from citewell.errors import ModelError

_PASSAGE_VERSION = "title-chunk-1"


class LlamaIndexEmbedder:
    """Adapts a LlamaIndex embedding; a chunk is embedded as `title. chunk`, a text of its own.

    Args:
        embed_model: Any `BaseEmbedding`, such as those of the `llama-index-embeddings-*` packages.
    """

    def __init__(self, embed_model: BaseEmbedding) -> None:
        self._embed_model = embed_model

    @property
    def name(self) -> str:
        """The class of the embedding and the model it names."""
        return f"{type(self._embed_model).__name__}:{self._embed_model.model_name}"

    @property
    def fingerprint(self) -> str:
        """Names class, model and length of the vectors; asks the model for one vector to find the length.

        Raises:
            ModelError: The embedding failed.
        """
        return f"llama_index:{self.name}:{self.dim}:{_PASSAGE_VERSION}"

    @cached_property
    def dim(self) -> int:
        """The length of the vectors, found by embedding one word.

        Raises:
            ModelError: The embedding failed.
        """
        return len(self._query("dimension"))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (n, dim).

        Raises:
            ModelError: The embedding failed or gave wrong vectors.
        """
        return self._checked([self._query(text) for text in texts], len(texts))

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The embedding failed or gave wrong vectors.
        """
        return embed_apart(batch, self._texts)

    def _texts(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            rows = self._embed_model.get_text_embedding_batch(texts)
        except Exception as error:  # whatever the package behind it raises
            raise self._failed(error) from error
        return self._checked(rows, len(texts))

    def _query(self, text: str) -> list[float]:
        try:
            return self._embed_model.get_query_embedding(text)
        except Exception as error:  # whatever the package behind it raises
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ModelError:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return ModelError(f"The LlamaIndex embedding {self.name} failed: {reason}. Check its set-up.")

    def _checked(self, rows: list[list[float]], count: int) -> NDArray[np.float32]:
        lengths = {len(row) for row in rows}
        if len(rows) != count or lengths - {self.dim}:
            raise ModelError(
                f"The LlamaIndex embedding {self.name} gave {len(rows)} vectors of length {sorted(lengths)} "
                f"for {count} texts, not of length {self.dim}. Choose another model."
            )
        vectors = np.array(rows, dtype=np.float32).reshape(count, self.dim)
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"The LlamaIndex embedding {self.name} gave NaN or infinity. Choose another model."
            )
        return unit_rows(vectors)
