"""Language models: OpenAI's and compatible endpoints, and the packaged model on llama.cpp."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from citewell.errors import UsageError
from citewell.llm.base import LanguageModel, Message, Reply, Usage
from citewell.settings import Settings

__all__ = ["LanguageModel", "Message", "Models", "Reply", "Usage", "load_llm"]


def load_llm(settings: Settings, name: str, environ: Mapping[str, str] | None = None) -> LanguageModel:
    """Return the language model that `name` names: "local", or a model of the configured endpoint.

    Raises:
        UsageError: The name is empty, or "quotes", which is no language model.
        ModelError: The model cannot be set up, such as for want of a key.
        MissingExtraError: "local" without the packages it needs.
    """
    if name == "quotes" or not name.strip():
        raise UsageError(
            f"No language model is called {name!r}: give the name of a model of your endpoint, or local."
        )
    if name == "local":
        from citewell.llm.local import start

        return start(settings)
    from citewell.llm.openai import OpenAIModel

    return OpenAIModel(name, settings, os.environ if environ is None else environ)


class Models:
    """The language models of an assistant, each loaded when it is first asked for, and once."""

    def __init__(self) -> None:
        self._loaded: dict[str, LanguageModel] = {}
        self._lock = threading.Lock()

    def get(self, settings: Settings) -> LanguageModel:
        """Return the model that the setting `llm` names; what is raised is `load_llm`'s."""
        with self._lock:
            if settings.llm not in self._loaded:
                self._loaded[settings.llm] = load_llm(settings, settings.llm)
            return self._loaded[settings.llm]

    def close(self) -> None:
        """Release them all."""
        with self._lock:
            while self._loaded:
                self._loaded.popitem()[1].close()
