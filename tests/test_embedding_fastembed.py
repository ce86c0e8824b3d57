"""Models that fastembed runs: the packaged MiniLM from a folder and from a server that speaks as Hugging Face does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant, Paper
from citewell.embedding import Passages, open_embedder
from citewell.embedding.fastembed import PROMPTS, FastEmbedder, Prompts
from citewell.embedding.minilm import MiniLM
from citewell.errors import MissingExtraError, ModelError, UsageError
from citewell.reranking import open_reranker
from citewell.types import Span
from fastembed import TextEmbedding
from hub_server import HubServer
from tiny_onnx import minilm_folder, overlap_folder

MEAN = {"pooling_mode_mean_tokens": True}
LONG = "A long abstract about bees and lavender. " * 120
PAPERS = [
    Passages("On bees", "Bees visit lavender. They dance.", (Span(0, 20), Span(21, 32))),
    Passages("", "Dunes drift."),
    Passages("Lone surrogate \ud800", "Glass does not flow."),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return minilm_folder(tmp_path_factory.mktemp("models") / "mini", **MEAN)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> FastEmbedder:
    return FastEmbedder(str(folder))


def test_a_folder_of_the_packaged_model_gives_the_vectors_of_the_packaged_model(
    embedder: FastEmbedder,
) -> None:
    asked = ["What do bees visit?", "", "one\ud800two", LONG]
    packaged = MiniLM()
    assert (embedder.name, embedder.dim) == ("mini", packaged.dim)
    np.testing.assert_allclose(embedder.embed_queries(asked), packaged.embed_queries(asked), atol=1e-6)
    for ours, theirs in zip(embedder.embed_papers(PAPERS), packaged.embed_papers(PAPERS), strict=True):
        np.testing.assert_allclose(ours.abstract, theirs.abstract, atol=1e-6)


def test_a_chunk_is_embedded_with_its_title_and_by_itself(embedder: FastEmbedder) -> None:
    (paper,) = embedder.embed_papers(PAPERS[:1])
    alone = embedder.embed_queries(["On bees. Bees visit lavender.", "On bees. They dance."])
    np.testing.assert_allclose(paper.chunks, alone, atol=1e-6)


def test_no_text_is_no_vector(embedder: FastEmbedder) -> None:
    assert embedder.embed_queries([]).shape == (0, 384)
    assert embedder.embed_papers([]) == []


def test_a_vector_does_not_depend_on_its_batch_or_on_the_threads(folder: Path) -> None:
    texts = ["bees", LONG, "dunes drift", "glass", "tides in the bay"]
    embedder = FastEmbedder(str(folder), threads=3)
    together = embedder.embed_queries(texts)
    with ThreadPoolExecutor(4) as pool:
        apart = list(pool.map(lambda text: embedder.embed_queries([text])[0], texts))
    assert np.array_equal(together, np.array(apart))


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path, folder: Path) -> None:
    known = open_embedder(f"fastembed:{folder}").fingerprint
    moved = minilm_folder(tmp_path / "moved", **MEAN)
    assert open_embedder(f"fastembed:{moved}").fingerprint == known
    (moved / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "ask: "}}))
    prompted = open_embedder(f"fastembed:{moved}").fingerprint
    (moved / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    pooled = open_embedder(f"fastembed:{moved}").fingerprint
    (moved / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 8, "pad_token": "[PAD]"}))
    assert len({known, prompted, pooled, open_embedder(f"fastembed:{moved}").fingerprint}) == 4


def test_prompts_of_the_folder_go_before_questions_and_passages(tmp_path: Path, folder: Path) -> None:
    prompted = minilm_folder(tmp_path / "prompted", **MEAN)
    prompts = {"query": "ask: ", "document": "read: "}
    (prompted / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    plain, embedder = FastEmbedder(str(folder)), FastEmbedder(str(prompted))
    assert np.array_equal(embedder.embed_queries(["bees"]), plain.embed_queries(["ask: bees"]))
    (paper,) = embedder.embed_papers([Passages("T", "b")])
    assert np.array_equal(paper.abstract, plain.embed_queries(["read: T. b"])[0])


def test_every_listed_model_that_needs_prompts_has_them() -> None:
    for model in TextEmbedding.list_supported_models():
        told = model["description"].partition("Prefixes for queries/documents: ")[2]
        if told and not told.startswith(("not necessary", "not so necessary")):
            assert any(model["model"].casefold().startswith(start) for start in PROMPTS), model["model"]
    assert all(any(prompts) and start == start.casefold() for start, prompts in PROMPTS.items())
    assert Prompts("query: ", "passage: ") == PROMPTS["intfloat/multilingual-e5-"]


def test_papers_are_found_with_it_and_a_collection_keeps_its_model(tmp_path: Path, folder: Path) -> None:
    papers = [
        Paper("Bees and lavender", "Forty hives were watched. Bees visit lavender twice as often as thyme."),
        Paper("Tides in the bay", "Tides in the bay were measured for ten years. The mean range is 3.2 m."),
        Paper("Old glass", "Panes of medieval glass were scanned. Glass does not flow at room temperature."),
    ]
    with Assistant.open(tmp_path / "data", embedding=f"fastembed:{folder}") as assistant:
        assistant.add(papers)
        assert assistant.stats()["embedding"] == f"fastembed:{folder}"
    with Assistant.open(tmp_path / "data") as assistant:
        assert assistant.search("insects and flowers", k=1)[0].title == "Bees and lavender"
        answer = assistant.ask("What is the mean range of the tides?")
        assert "3.2 m" in answer.text and answer.engine.embedding == f"fastembed:{folder}"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("bge-small-en", "no embedding model 'bge-small-en'. Nearest: BAAI/bge-small-en, "),
        ("Xenova/ms-marco-MiniLM-L-6-v2", "no embedding model 'Xenova/ms-marco-MiniLM-L-6-v2'"),
        ("{tmp}/nowhere", "No folder {tmp}/nowhere to take the embedding model from."),
        ("{tmp}/empty", "The folder {tmp}/empty holds no ONNX file."),
        ("{tmp}/two", "The folder {tmp}/two holds a.onnx, onnx/b.onnx."),
        ("empty", "'empty' is a folder here. Name it by its absolute path: fastembed:{tmp}/empty"),
    ],
)
def test_a_model_that_is_not_there_is_told_in_one_line(
    model: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "two" / "onnx").mkdir(parents=True)
    (tmp_path / "two" / "a.onnx").touch()
    (tmp_path / "two" / "onnx" / "b.onnx").touch()
    with pytest.raises(UsageError) as raised:
        open_embedder(f"fastembed:{model.format(tmp=tmp_path)}")
    assert told.format(tmp=tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("spoilt", "content", "error", "told"),
    [
        ("1_Pooling/config.json", '{"pooling_mode": "max"}', UsageError, "asks for (max) cannot be done"),
        ("1_Pooling/config.json", "{}", UsageError, "asks for (none) cannot be done"),
        ("1_Pooling/config.json", "[", UsageError, "Cannot read"),
        ("1_Pooling/config.json", None, ModelError, "a model that gives token vectors needs 1_Pooling/config.json"),
        ("config_sentence_transformers.json", '{"prompts": 3}', UsageError, "Cannot read"),
        ("tokenizer_config.json", None, ModelError, "Could not find tokenizer_config.json"),
        ("tokenizer.json", "{", ModelError, "failed: "),
        ("model.onnx", "no graph", ModelError, "failed: "),
    ],
)  # fmt: skip
def test_a_folder_that_will_not_do_is_told_in_one_line(
    tmp_path: Path, spoilt: str, content: str | None, error: type[Exception], told: str
) -> None:
    folder = minilm_folder(tmp_path / "spoilt", **MEAN)
    (folder / spoilt).unlink(missing_ok=True)
    if content is not None:
        (folder / spoilt).write_text(content)
    with pytest.raises(error) as raised:
        open_embedder(f"fastembed:{folder}").embed_queries(["bees"])
    assert told in str(raised.value) and str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_model_whose_vectors_change_their_length_is_refused(tmp_path: Path) -> None:
    embedder = FastEmbedder(
        str(overlap_folder(tmp_path / "overlap"))
    )  # one number a text, of which all are 0
    assert np.array_equal(embedder.embed_queries(["bees"]), [[0.0]])
    embedder._known_dim = 2
    with pytest.raises(ModelError, match=r"vectors of length \[1\], not 2"):
        embedder.embed_queries(["bees"])


# --- from Hugging Face ---------------------------------------------------------------------------------

LISTED = "sentence-transformers/all-MiniLM-L6-v2"
EMBED = f"""
from citewell.embedding import open_embedder
from citewell.errors import CitewellError

embedder = open_embedder("fastembed:{LISTED}")
assert embedder.dim == 384
try:
    print(*embedder.embed_queries(["bees"])[0][:8])
    print(embedder.fingerprint)
except CitewellError as error:
    print(type(error).__name__, error)
"""


def in_a_fresh_process(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )  # fmt: skip


def test_a_listed_model_is_downloaded_once_and_again_where_it_is_damaged(tmp_path: Path) -> None:
    files, home = minilm_folder(tmp_path / "files"), tmp_path / "home"
    with HubServer("Qdrant/all-MiniLM-L6-v2-onnx", files) as server:
        here = {"HF_ENDPOINT": server.url, "HF_HOME": str(home)}
        first = in_a_fresh_process(EMBED, **here)
        assert first.stderr == "" and server.requests
        vector = np.array(first.stdout.split()[:8], dtype=float)
        np.testing.assert_allclose(vector, MiniLM().embed_queries(["bees"])[0][:8], atol=1e-6)
        (weights,) = home.rglob("model.onnx")
        os.truncate(weights, 1_000_000)
        assert in_a_fresh_process(EMBED, **here).stdout == first.stdout
    again = in_a_fresh_process(EMBED, HF_ENDPOINT="http://127.0.0.1:1", HF_HOME=str(home))
    assert (again.stdout, again.stderr) == (first.stdout, "")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:1"}, "Connection refused"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
    ],
)
def test_a_model_that_cannot_be_downloaded_is_told_in_one_line(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    ran = in_a_fresh_process(EMBED, HF_HOME=str(tmp_path), **variables)
    assert ran.stdout.startswith(f"ModelError Cannot download {LISTED} from ") and told in ran.stdout
    assert ran.stdout.count("\n") == 1 and ran.stderr == ""


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    for opening in (open_embedder, open_reranker):
        with pytest.raises(MissingExtraError, match=r"Install it: pip install 'citewell\[hub\]'"):
            opening(f"fastembed:{LISTED}")


def test_importing_citewell_imports_nothing_of_it() -> None:
    code = (
        "import sys, citewell, citewell.assistant, citewell.reranking, citewell.embedding.fastembed\n"
        "citewell.Settings()\n"
        "print({'fastembed', 'huggingface_hub', 'loguru', 'PIL'} & sys.modules.keys())"
    )
    assert in_a_fresh_process(code).stdout.strip() == "set()"
