"""The systems that `citewell eval compare` runs side by side on the same cases.

| name | system |
|---|---|
| citewell | Citewell's quotes engine |
| citewell-llm | Citewell with the given language model |
| bm25 | BM25 alone, with a fitted threshold |
| dense | nearest vectors alone, with a fitted threshold |
| llamaindex | stock LlamaIndex; it never refuses unless the model says so |
| llamaindex-cutoff | the same with a fitted similarity cutoff |
| citation-query-engine | LlamaIndex's CitationQueryEngine with the given language model |
| citation-query-engine-cutoff | the same with a fitted similarity cutoff |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.llm import LanguageModel

from citewell_eval.systems.base import System
from citewell_eval.systems.citewell import CitewellSystem
from citewell_eval.systems.dense import DenseSystem
from citewell_eval.systems.fitted import Thresholds, load_thresholds
from citewell_eval.systems.lexical import LexicalSystem

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex

__all__ = ["NAMES", "NEED_A_MODEL", "System", "Thresholds", "load_thresholds", "open_systems"]

NAMES = (
    "citewell", "citewell-llm", "bm25", "dense", "llamaindex", "llamaindex-cutoff", "citation-query-engine",
    "citation-query-engine-cutoff",
)  # fmt: skip
NEED_A_MODEL = ("citewell-llm", "citation-query-engine", "citation-query-engine-cutoff")


def open_systems(
    names: Sequence[str], assistant: Assistant, model: LanguageModel | None = None
) -> list[System]:
    """Returns the named systems over the collection of one assistant, in that order.

    None of them owns the assistant or the model: they live as long as both. The systems of LlamaIndex share one
    index, which is built here and embeds every paper once.

    Raises:
        UsageError: a name is unknown, or needs a language model and there is none.
    """
    for name in names:
        if name not in NAMES:
            raise UsageError(f"Unknown system {name!r}: choose from {', '.join(NAMES)}.")
        if name in NEED_A_MODEL and model is None:
            raise UsageError(f"The system {name} needs a language model: name one, or leave the system out.")
    parts = _Parts(assistant, model)
    return [parts.open(name) for name in names]


class _Parts:
    def __init__(self, assistant: Assistant, model: LanguageModel | None) -> None:
        self._assistant = assistant
        self._model = model
        self._thresholds = load_thresholds()
        self._index = lru_cache(maxsize=1)(self._build_index)

    def open(self, name: str) -> System:
        if name == "citewell":
            return self._citewell(None, "citewell quotes")
        if name == "bm25":
            return LexicalSystem(self._assistant, self._thresholds.bm25)
        if name == "dense":
            return DenseSystem(self._assistant, self._thresholds.dense)
        if name == "citewell-llm" and self._model is not None:
            return self._citewell(self._model, f"citewell {self._model.name}")
        return self._llama(name)

    def _citewell(self, model: LanguageModel | None, name: str) -> System:
        # No answer is taken from the cache: every system is to be measured at work.
        settings = self._assistant.settings.model_copy(update={"llm": "quotes", "answer_cache": 0})
        return CitewellSystem(Assistant(self._assistant.collection, settings, model), name)

    def _llama(self, name: str) -> System:
        # Imports llama_index, a second or so.
        from citewell_eval.systems.llama import CitationEngineSystem, LlamaIndexSystem

        refuses = name.endswith("-cutoff")
        cutoff = self._thresholds.llamaindex if refuses else None
        shown = " with cutoff" if refuses else ""
        if name.startswith("citation") and self._model is not None:
            label = f"LlamaIndex CitationQueryEngine{shown}"
            return CitationEngineSystem(self._assistant, self._index(), self._model, cutoff, label)
        return LlamaIndexSystem(self._assistant, self._index(), self._model, cutoff, f"LlamaIndex{shown}")

    def _build_index(self) -> VectorStoreIndex:
        from citewell_eval.systems.llama_parts import build_index

        return build_index(self._assistant)
