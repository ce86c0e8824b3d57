"""The LlamaIndex adapter over small embeddings of LlamaIndex's own kind."""

from __future__ import annotations

import numpy as np
import pytest
from citewell.embedding import Passages
from citewell.embedding.llama_index import LlamaIndexEmbedder
from citewell.errors import ModelError
from citewell.types import Span
from llama_index.core.base.embeddings.base import BaseEmbedding


class Lengths(BaseEmbedding):
    """Embeds a text as [its length, 1 for a query and 2 for a text]; refuses what it is told to."""

    refused: str = ""
    ragged: bool = False

    def _get_text_embedding(self, text: str) -> list[float]:
        if self.refused and self.refused in text:
            raise RuntimeError(f"cannot embed\n{text}")
        return [float(len(text)), 2.0, *([0.0] if self.ragged and "chunk" in text else [])]

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float("nan"), 1.0] if query == "nan" else [float(len(query)), 1.0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def test_queries_and_papers_become_unit_vectors() -> None:
    embedder = LlamaIndexEmbedder(Lengths(model_name="lengths-1", embed_batch_size=2))
    queries = embedder.embed_queries(["abc", ""])
    np.testing.assert_allclose(queries, np.array([[3 / 10**0.5, 1 / 10**0.5], [0, 1]]), rtol=1e-6)
    vectors = embedder.embed_papers([Passages("T", "a chunk", (Span(2, 7), Span(0, 1))), Passages("T", "b")])
    expected = [[10, 2], [8, 2], [4, 2], [4, 2]]  # "T. a chunk", "T. chunk", "T. a", "T. b"
    got = [vectors[0].abstract, *vectors[0].chunks, vectors[1].abstract]
    np.testing.assert_allclose(got, [np.array(row) / np.linalg.norm(row) for row in expected], rtol=1e-6)
    assert embedder.embed_queries([]).shape == (0, 2)
    assert embedder.embed_papers([]) == []


def test_the_fingerprint_tells_models_apart() -> None:
    one, two = (LlamaIndexEmbedder(Lengths(model_name=name)) for name in ("lengths-1", "lengths-2"))
    assert one.dim == 2
    assert one.fingerprint == "llama_index:Lengths:lengths-1:2:title-chunk-1"
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("model", "query", "told"),
    [
        (Lengths(refused="chunk"), None, "RuntimeError: cannot embed T. a chunk"),
        (Lengths(ragged=True), None, "of length [2, 3] for 2 texts, not of length 2"),
        (Lengths(), "nan", "NaN"),
    ],
)
def test_a_failing_embedding_is_told_in_one_line(model: Lengths, query: str | None, told: str) -> None:
    embedder = LlamaIndexEmbedder(model)
    with pytest.raises(ModelError) as raised:
        if query:
            embedder.embed_queries([query])
        embedder.embed_papers([Passages("T", "a chunk"), Passages("T", "b")])
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
