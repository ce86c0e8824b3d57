"""Reranking: a model reads question and paper together and says which papers come first.

It sets the order of the best candidates, and nothing else. What it gives is a logit of its own scale, which differs
between models and is not calibrated, so nothing may be concluded from it but an order: the gate goes on to read the
fused scores (docs/decisions/0018). Without the setting `reranker` nothing is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from citewell.embedding.base import usable_cpus, well_formed
from citewell.errors import ModelError, UsageError
from citewell.hub import HubModel, find_model, located, prepare, spread, told

if TYPE_CHECKING:
    from fastembed.rerank.cross_encoder import TextCrossEncoder

_TEXT_CHARACTERS = 60_000  # a tokenizer is slow on a huge text, of which only the head is used anyway


class Reranker(Protocol):
    """Says how well texts go with a question."""

    @property
    def name(self) -> str:
        """The model's name, fit for a person."""

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns one finite number a text, shape (len(texts),); the higher, the better."""


@lru_cache(maxsize=2)  # a model is loaded once a process, however many assistants there are
def open_reranker(spec: str) -> Reranker:
    """Returns the reranker that the setting names; its model is loaded when it is first asked.

    Args:
        spec: `fastembed:MODEL` such as `fastembed:Xenova/ms-marco-MiniLM-L-6-v2`, or `fastembed:/FOLDER`.

    Raises:
        MissingExtraError: fastembed is not installed.
        UsageError: there is no such reranker.
    """
    kind, _, model = spec.partition(":")
    if kind != "fastembed" or not model:
        raise UsageError(f"Unknown reranker {spec!r}. Use fastembed:MODEL or fastembed:/FOLDER, or none.")
    return CrossEncoder(model)


class CrossEncoder:
    """A cross-encoder that fastembed runs, safe to share between threads.

    It is opened, and downloaded where it is not on this machine, when it is first asked.

    Args:
        model: as fastembed lists it, or the absolute path of a folder with an ONNX file, `tokenizer.json` and
            `tokenizer_config.json`.
        threads: how many texts are read at a time; by default the CPUs this process may use.

    Raises:
        MissingExtraError: fastembed is not installed.
        UsageError: there is no such model or folder.
    """

    def __init__(self, model: str, threads: int | None = None) -> None:
        prepare()
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        self._model = find_model(model, TextCrossEncoder.list_supported_models(), "reranker")
        self._threads = threads or usable_cpus()
        self._loading = threading.Lock()
        self._encoder: TextCrossEncoder | None = None

    @property
    def name(self) -> str:
        """The model's name in fastembed's list, or that of its folder."""
        return self._model.name

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the logit of every text, shape (len(texts),); long texts are read up to the model's limit.

        Raises:
            ModelError: the model cannot be downloaded or opened, or gave no numbers.
        """
        encoder, asked = self._running(), well_formed(question)

        def one(text: str) -> float:
            (score,) = encoder.rerank_pairs([(asked, well_formed(text[:_TEXT_CHARACTERS]))])
            return score

        try:
            scores = np.array(spread(one, texts, self._threads), dtype=np.float32)
        except Exception as error:  # whatever the packages behind it raise
            raise self._failed(error) from error
        if not np.isfinite(scores).all():
            raise ModelError(f"The reranker {self.name} gave NaN or infinity. Choose another model.")
        return scores

    def _running(self) -> TextCrossEncoder:
        with self._loading:
            if self._encoder is None:
                folder = located(self._model)
                try:
                    self._encoder = _open(self._model, str(folder))
                except Exception as error:  # whatever the packages behind it raise
                    raise self._failed(error) from error
            return self._encoder

    def _failed(self, error: Exception) -> ModelError:
        cure = "Choose another model, or delete its files to download them again."
        if self._model.folder is not None:
            cure = f"Mend the folder {self._model.folder}."
        return ModelError(f"The reranker {self.name} failed: {told(error)}. {cure}")


def _open(model: HubModel, folder: str) -> TextCrossEncoder:
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    name = model.name
    if model.folder is not None:
        name = f"{folder}#{model.weights[0]}"
        known = {one["model"].casefold() for one in TextCrossEncoder.list_supported_models()}
        if name.casefold() not in known:
            TextCrossEncoder.add_custom_model(
                model=name,
                sources=ModelSource(hf="a/folder"),  # it insists on one; the folder is used
                model_file=model.weights[0],
                additional_files=list(model.weights[1:]),
            )
    return TextCrossEncoder(
        name,
        cache_dir=folder,  # else it makes one of its own, and leaves it empty
        threads=1,
        providers=["CPUExecutionProvider"],
        specific_model_path=folder,
    )
