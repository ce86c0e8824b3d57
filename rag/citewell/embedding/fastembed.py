"""Embedding models of Hugging Face or of a folder, run by fastembed: the extra `hub`.

A model gives one vector a text, so a chunk is embedded as `title. chunk`, a text of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from citewell.embedding.base import PaperVectors, Passages, embed_apart, unit_rows, usable_cpus, well_formed
from citewell.errors import ModelError, UsageError
from citewell.hub import HubModel, digest, find_model, located, prepare, spread, told

if TYPE_CHECKING:
    from fastembed import TextEmbedding

_PASSAGE_VERSION = "title-chunk-1"
_TEXT_CHARACTERS = 60_000  # a tokenizer is slow on a huge text, of which only the head is used anyway
_POOLING = Path("1_Pooling", "config.json")
_PROMPTS = "config_sentence_transformers.json"


class Prompts(NamedTuple):
    """What a model was trained to see before a question and before a passage."""

    query: str = ""
    passage: str = ""


_PASSAGES_FOR = Prompts("Represent this sentence for searching relevant passages: ")
_WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query"
# As the models' cards give them, by how their names begin; fastembed adds none but those of jina-embeddings-v3.
PROMPTS = {
    "baai/bge-small-zh": Prompts("为这个句子生成表示以用于检索相关文章："),
    "baai/bge-": _PASSAGES_FOR,
    "google/embeddinggemma": Prompts("task: search result | query: ", "title: none | text: "),
    "intfloat/multilingual-e5-": Prompts("query: ", "passage: "),
    "mixedbread-ai/mxbai-embed-": _PASSAGES_FOR,
    "nomic-ai/nomic-embed-": Prompts("search_query: ", "search_document: "),
    "qdrant/stella-en-400m-v5-doc": Prompts(f"{_WEB_SEARCH}.\nQuery: "),
    "qwen/qwen3-embedding-": Prompts(f"{_WEB_SEARCH}\nQuery:"),
    "snowflake/snowflake-arctic-embed-": _PASSAGES_FOR,
}


class FastEmbedder:
    """A model that fastembed runs, safe to share between threads.

    It is opened, and downloaded where it is not on this machine, when it is first asked for something.

    Args:
        model: as fastembed lists it, such as `BAAI/bge-small-en-v1.5`, or the absolute path of a folder with an
            ONNX file, `tokenizer.json` and `tokenizer_config.json`. A folder whose model gives token vectors also
            needs `1_Pooling/config.json`; prompts are read from `config_sentence_transformers.json`. Both are
            files of sentence-transformers.
        threads: How many texts are embedded at a time; by default the CPUs this process may use.

    Raises:
        MissingExtraError: fastembed is not installed.
        UsageError: There is no such model or folder.
    """

    def __init__(self, model: str, threads: int | None = None) -> None:
        prepare()
        from fastembed import TextEmbedding

        self._model = find_model(model, TextEmbedding.list_supported_models(), "embedding model")
        self._threads = threads or usable_cpus()
        self._loading = threading.RLock()
        self._opened: _Opened | None = None
        self._known_dim = self._model.dim
        self._runs = False

    @property
    def name(self) -> str:
        """The model's name in fastembed's list, or that of its folder."""
        return self._model.name

    @property
    def fingerprint(self) -> str:
        """A hash of the model's files, its pooling and its prompts, wherever the files lie.

        Raises:
            ModelError: The model cannot be downloaded or opened.
        """
        return f"fastembed:{self._open().digest}:{_PASSAGE_VERSION}"

    @property
    def dim(self) -> int:
        """The length of the vectors; found by embedding one word where fastembed's list does not say.

        Raises:
            ModelError: The model cannot be downloaded or opened.
        """
        if self._known_dim is None:
            self._running()
        return self._known_dim or 0

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (n, dim); the model's prompt for questions is put before each.

        Raises:
            ModelError: The model cannot be downloaded or opened, or gave wrong vectors.
        """
        opened = self._running()
        return self._embed(opened.embedding.query_embed, opened.prompts.query, texts)

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The model cannot be downloaded or opened, or gave wrong vectors.
        """
        opened = self._running()
        embed = partial(self._embed, opened.embedding.passage_embed, opened.prompts.passage)
        return embed_apart(batch, embed)

    def _embed(self, embed: _Embed, prompt: str, texts: Sequence[str]) -> NDArray[np.float32]:
        def one(text: str) -> NDArray[np.float32]:
            (vector,) = embed([prompt + well_formed(text[:_TEXT_CHARACTERS])])
            return np.ravel(vector)

        try:
            rows = spread(one, texts, self._threads)
        except Exception as error:  # whatever the packages behind it raise
            raise self._failed(error) from error
        return self._checked(rows)

    def _checked(self, rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        lengths = {len(row) for row in rows}
        if self._known_dim is None and len(lengths) == 1:
            (self._known_dim,) = lengths
        if lengths - {self._known_dim}:
            raise ModelError(
                f"The embedding model {self.name} gave vectors of length {sorted(lengths)}, not {self._known_dim}. "
                "Choose another model."
            )
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dim)
        if not np.isfinite(vectors).all():
            raise ModelError(f"The embedding model {self.name} gave NaN or infinity. Choose another model.")
        return unit_rows(vectors)

    def _running(self) -> _Opened:
        """Returns the model with its session open: fastembed would open one a thread."""
        with self._loading:
            opened = self._open()
            if not self._runs:
                self._embed(opened.embedding.passage_embed, "", ["a"])
                self._runs = True
            return opened

    def _open(self) -> _Opened:
        with self._loading:
            if self._opened is None:
                folder = located(self._model)
                try:
                    self._opened = _open(self._model, folder)
                except (OSError, ValueError) as error:
                    raise self._failed(error) from error
            return self._opened

    def _failed(self, error: Exception) -> ModelError:
        cure = "Choose another model, or delete its files to download them again."
        if self._model.folder is not None:
            cure = (
                f"Mend the folder {self._model.folder}; a model that gives token vectors needs 1_Pooling/config.json "
                "there."
            )
        return ModelError(f"The embedding model {self.name} failed: {told(error)}. {cure}")


_Embed = Callable[[list[str]], Iterable[NDArray[Any]]]


class _Opened(NamedTuple):
    embedding: TextEmbedding
    prompts: Prompts
    digest: str


def _open(model: HubModel, folder: Path) -> _Opened:
    from fastembed import TextEmbedding

    name, prompts = model.name, _prompts_of(model.name)
    if model.folder is not None:
        pooling, prompts = _pooling_in(folder), _prompts_in(folder)
        name = _registered(model, folder, pooling)
    embedding = TextEmbedding(
        name,
        cache_dir=str(folder),  # else it makes one of its own, and leaves it empty
        threads=1,
        providers=["CPUExecutionProvider"],
        lazy_load=True,
        specific_model_path=str(folder),
    )
    # The class says how tokens are pooled: a model that fastembed comes to pool in another way changes its class.
    pooled = type(embedding.model).__name__ if model.folder is None else pooling
    return _Opened(embedding, prompts, digest(folder, model, pooled, prompts))


def _registered(model: HubModel, folder: Path, pooling: str) -> str:
    """Returns the name under which fastembed knows the model of a folder from now on."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = f"{folder}#{model.weights[0]}#{pooling}"
    known = {one["model"].casefold() for one in TextEmbedding.list_supported_models()}
    if name.casefold() not in known:
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType(pooling),
            normalization=True,
            sources=ModelSource(hf="a/folder"),  # it insists on one; the folder is used
            dim=0,
            model_file=model.weights[0],
            additional_files=list(model.weights[1:]),
        )
    return name


class _PoolingFile(BaseModel):
    pooling_mode: str | None = None  # of newer files
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False

    def modes(self) -> set[str]:
        """The ways of pooling that are switched on, as this file names them."""
        if self.pooling_mode is not None:
            return {self.pooling_mode}
        on = {name for name, value in self if value is True}
        return {name.removeprefix("pooling_mode_").partition("_tok")[0] for name in on}


_POOLED = {"cls": "CLS", "mean": "MEAN", "lasttoken": "LAST_TOKEN"}


def _pooling_in(folder: Path) -> str:
    """Returns how fastembed is to pool tokens; `DISABLED` where nothing is said: then the model must do it itself.

    Raises:
        UsageError: The file cannot be read, or asks for what fastembed cannot do.
    """
    path = folder / _POOLING
    if not path.exists():
        return "DISABLED"
    try:
        modes = _PoolingFile.model_validate_json(path.read_bytes()).modes()
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"Cannot read {path}: {told(error)}. Copy it from the model's repository."
        ) from error
    (mode,) = modes if len(modes) == 1 else ("",)
    if mode not in _POOLED:
        asked = ", ".join(sorted(modes)) or "none"
        raise UsageError(
            f"The pooling that {path} asks for ({asked}) cannot be done. Choose a model with one of "
            f"{', '.join(_POOLED)}."
        )
    return _POOLED[mode]


class _PromptsFile(BaseModel):
    prompts: dict[str, str] = {}


def _prompts_in(folder: Path) -> Prompts:
    path = folder / _PROMPTS
    if not path.exists():
        return Prompts()
    try:
        found = _PromptsFile.model_validate_json(path.read_bytes()).prompts
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"Cannot read {path}: {told(error)}. Copy it from the model's repository."
        ) from error
    return Prompts(found.get("query", ""), found.get("document", found.get("passage", "")))


def _prompts_of(name: str) -> Prompts:
    """Returns the prompts of a listed model: those of the longest beginning that fits."""
    fitting = [start for start in PROMPTS if name.casefold().startswith(start)]
    return PROMPTS[max(fitting, key=len)] if fitting else Prompts()
