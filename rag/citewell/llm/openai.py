"""Models of OpenAI, Azure and every server that speaks Chat Completions, streamed.

Each model has one thread with an event loop, in which its replies are read: there a stalled stream can be
timed and closed, which a blocking read cannot. What arrives is handed to the thread that iterates the reply.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from citewell.chunking import count_tokens
from citewell.llm.base import Message, Usage
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.endpoint import NO_KEY, Endpoint
from citewell.llm.exchange import Exchange, Server
from citewell.llm.failures import Failures
from citewell.settings import Settings

_CHARACTERS_PER_TOKEN = 64  # few tokens of any vocabulary are longer, and on average they have four
_SPARE_CHARACTERS = 4_096
_MESSAGE_TOKENS = 4  # what the role and the separators of a message add
_SHUTDOWN = 5.0  # how long `close` waits for its thread, in seconds: looking up a host cannot be interrupted


class OpenAIModel:
    """A language model behind an OpenAI-compatible endpoint.

    Args:
        name: The model's name at the endpoint.
        settings: The timeouts and the retries.
        environ: Where the URL and the key are looked up; by default the environment.
        base_url: The endpoint in place of the environment's, whose key is then not sent.
        api_key: The key for `base_url`.
        context_tokens: How many tokens the model can hold, where that is known.
        breaker: The circuit breaker in place of a new one.
        sleep: Waits between retries.
        jitter: Returns a number from 0 to 1 that spreads the retries of many callers.

    Raises:
        ModelError: A key is missing, or the URL or the key cannot be used.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        environ: Mapping[str, str] | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        context_tokens: int | None = None,
        breaker: CircuitBreaker | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if base_url is not None:
            endpoint = Endpoint(base_url, api_key or NO_KEY).checked()
        else:
            endpoint = Endpoint.find(name, os.environ if environ is None else environ)
        self._name = name
        self._settings = settings
        self._context_tokens = context_tokens
        failures = Failures(name, endpoint, settings)
        self._server = Server(endpoint, settings, failures, breaker or CircuitBreaker(), sleep, jitter)
        self._background = _Background(self._server)
        self._replies: weakref.WeakSet[OpenAIReply] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self._name

    @property
    def endpoint(self) -> str:
        """The endpoint's URL for a person, without anything secret."""
        return self._server.endpoint.shown

    @property
    def context_tokens(self) -> int | None:
        """How many tokens the model can hold, None where that is unknown."""
        return self._context_tokens

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> OpenAIReply:
        """Begin a reply, see `LanguageModel.stream`. One that is begun after `close` is cancelled."""
        if deadline is None:
            deadline = time.monotonic() + self._settings.answer_timeout
        limit = _CHARACTERS_PER_TOKEN * max_tokens + _SPARE_CHARACTERS
        reply = OpenAIReply(self._server, messages, self._body(messages, max_tokens, schema), limit, deadline)
        with self._lock:
            self._replies.add(reply)
            reply.start(self._background)
        return reply

    def close(self) -> None:
        """Cancel all replies and close connections and thread; may be called twice."""
        with self._lock:
            self._background.refuse()
            replies = list(self._replies)
        for reply in replies:
            reply.close()
        self._background.close()

    def _body(
        self, messages: Sequence[Message], max_tokens: int, schema: Mapping[str, object] | None
    ) -> dict[str, object]:
        # Every server of one's own knows the old name, OpenAI's newer models only the new one.
        limit = "max_completion_tokens" if self._server.endpoint.is_openai else "max_tokens"
        body: dict[str, object] = {
            "model": self._name,
            "messages": [{"role": m.role, "content": _well_formed(m.content)} for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            limit: max_tokens,
        }
        if schema is not None:
            wanted = {"name": "reply", "schema": dict(schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body


class OpenAIReply:
    """A reply that is being read in the background, see `Reply`."""

    def __init__(
        self,
        server: Server,
        messages: Sequence[Message],
        body: Mapping[str, object],
        characters: int,
        deadline: float,
    ) -> None:
        self._exchange = Exchange(server, body, characters, deadline, self._deliver)
        self._messages = tuple(messages)
        self._cancelled = server.failures.cancelled()
        self._closed = False
        self._text: list[str] = []
        # Needs no bound: the reply has one.
        self._arrived: SimpleQueue[str | BaseException | None] = SimpleQueue()
        self._future: Future[None] | None = None

    def start(self, background: _Background) -> None:
        """Begin to read, or be cancelled where the background takes nothing more."""
        self._future = background.submit(self._run)
        if self._future is None:
            self.close()

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped; None until the reply has ended well."""
        return self._exchange.finish_reason

    @property
    def usage(self) -> Usage:
        """What the reply has consumed, counted here where the server reports nothing."""
        exchange = self._exchange
        if exchange.reported is not None:
            reported = exchange.reported
            return Usage(reported.prompt_tokens, reported.completion_tokens, exchange.requests)
        if not exchange.accepted:
            return Usage(requests=exchange.requests)
        prompt = sum(count_tokens(message.content) + _MESSAGE_TOKENS for message in self._messages)
        return Usage(prompt, count_tokens("".join(self._text)), exchange.requests, estimated=True)

    def __iter__(self) -> Iterator[str]:
        while True:
            piece = self._arrived.get()
            if self._closed:
                self._arrived.put(None)  # for whoever iterates next
                raise self._cancelled.error()
            if isinstance(piece, str):
                yield piece
                continue
            self._arrived.put(piece)
            if piece is None:
                return
            raise piece

    def close(self) -> None:
        """Stop the reply at once, from whichever thread."""
        self._closed = True
        if self._future is not None:
            self._future.cancel()
        self._arrived.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deliver(self, text: str) -> None:
        self._text.append(text)
        self._arrived.put(text)

    async def _run(self) -> None:
        end: BaseException | None = None
        try:
            await self._exchange.run()
        except asyncio.CancelledError:
            end = self._cancelled.error()
            raise
        except Exception as error:
            end = error  # raised where the reply is iterated
        finally:
            self._arrived.put(end)


class _Background:
    """A daemon thread with an event loop, started when it is first needed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        self._refusing = False

    def submit(self, work: Callable[[], Coroutine[object, object, None]]) -> Future[None] | None:
        """Run a coroutine in the loop; None after `refuse`. Not to be called from two threads at once."""
        if self._refusing:
            return None
        if self._running is None:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_serve, args=(loop,), name="citewell-llm", daemon=True)
            thread.start()
            self._running = loop, thread
        return asyncio.run_coroutine_threadsafe(work(), self._running[0])

    def refuse(self) -> None:
        """Take nothing more."""
        self._refusing = True

    def close(self) -> None:
        """Cancel what runs, close the connections and end the thread."""
        running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            asyncio.run_coroutine_threadsafe(self._wind_up(), loop)
            thread.join(_SHUTDOWN)

    async def _wind_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._server.close()
        finally:
            loop.stop()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _well_formed(text: str) -> str:
    # Half surrogate pairs, which no JSON takes, come from command lines and files that are not UTF-8.
    return text.encode(errors="replace").decode()
