"""What all tabs share: the open collection, the language models, and the files of conversations and feedback."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from citewell import Assistant
from citewell.errors import CitewellError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Engine(NamedTuple):
    """What may word answers: the value for the setting `llm`, and its name for people."""

    llm: str
    name: str


class Host:
    """The collection that a server has open; it is opened in the background, so that the page can be shown first.

    Args:
        open_assistant: opens the collection; called once, in a thread of its own.
        home: the folder of the conversations and of the feedback.
        engines: what may word answers, the default first.
        questions: questions that the collection answers, where they are known.
        local: whether only this machine can reach the server, so that folders of it may be named.
    """

    def __init__(
        self,
        open_assistant: Callable[[], Assistant],
        home: Path,
        engines: tuple[Engine, ...],
        questions: tuple[str, ...] = (),
        local: bool = True,
    ) -> None:
        self.home, self.engines, self.questions, self.local = home, engines, questions, local
        self._opened: Future[Assistant] = Future()
        threading.Thread(target=self._open, args=(open_assistant,), name="citewell-open", daemon=True).start()

    def _open(self, open_assistant: Callable[[], Assistant]) -> None:
        try:
            assistant = open_assistant()
            assistant.collection.warm()
        except BaseException as error:  # raised to whoever asks
            self._opened.set_exception(error)
            return
        self._opened.set_result(assistant)
        with suppress(
            CitewellError, OSError
        ):  # a question that needs the library meets the same error and tells it
            assistant.collection.library.read_ahead()

    @property
    def ready(self) -> bool:
        """Whether the collection is open, or could not be opened."""
        return self._opened.done()

    @property
    def assistant(self) -> Assistant:
        """The assistant of the collection with the default engine; waits until it is open.

        Raises:
            CitewellError: the collection cannot be opened.
        """
        return self._opened.result()

    def engine(self, llm: str) -> Assistant:
        """Returns the assistant in which an engine words the answers; a model is loaded once.

        Raises:
            KeyError: the engine is not one of `engines`.
        """
        if llm not in {engine.llm for engine in self.engines}:
            raise KeyError(llm)
        assistant = self.assistant
        return assistant if llm == assistant.settings.llm else assistant.using(llm=llm)

    def close(self) -> None:
        """Releases the models and the collection."""
        if self._opened.done() and self._opened.exception() is None:
            self._opened.result().close()
