"""One reply of an OpenAI-compatible server: request, retries, stream, time limits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from citewell.errors import Failure
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.chunks import DONE, Chunk, EventDecoder, ModelList, ReportedUsage, SurrogateJoiner
from citewell.llm.endpoint import Endpoint, MalformedReplyError
from citewell.llm.failures import Failures, Fault
from citewell.llm.parameters import Adaptation, adapted, find_adaptation
from citewell.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, RequestOptions

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # between retries, in seconds
_AFTER_FINISH = 2.0  # how long the usage of a finished reply is waited for, in seconds
_AFTER_DONE = 0.1  # how long a stream is left to end by itself, so that its connection can be used again
_MODEL_LIST = 2.0  # how long the names for an error message are waited for, in seconds
_COUNTED: frozenset[Failure] = frozenset({"unreachable", "timeout", "server", "rate_limited"})
_OPTIONS: RequestOptions = {"security": {"bearer_auth": True}}  # not the key of an administrator


class RequestFailedError(Exception):
    """A request that failed, for the reason in `fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(eq=False, slots=True)
class Server:
    """An endpoint with what has been learnt about it; used within one event loop, the breaker excepted."""

    endpoint: Endpoint
    settings: Settings
    failures: Failures
    breaker: CircuitBreaker
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]
    adaptations: list[Adaptation] = field(default_factory=list)
    _client: AsyncOpenAI | None = None

    def client(self) -> AsyncOpenAI:
        """Return the client, opened when it is first needed."""
        if self._client is None:
            self._client = self.endpoint.connect(self.settings)
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


class Exchange:
    """Asks for one reply and reads it.

    Args:
        server: Whom to ask.
        body: The request.
        characters: The longest reply that is read.
        deadline: When the reply must be complete, on the clock of `time.monotonic`.
        deliver: Is called with every piece of text.
    """

    def __init__(
        self,
        server: Server,
        body: Mapping[str, object],
        characters: int,
        deadline: float,
        deliver: Callable[[str], None],
    ) -> None:
        self.finish_reason: str | None = None
        self.reported: ReportedUsage | None = None
        self.requests = 0
        self.accepted = False  # whether the server began to answer
        self._server = server
        self._body = body
        self._characters = self._characters_left = characters
        self._deadline = deadline
        self._deliver = deliver
        self._joiner = SurrogateJoiner()
        self._started = False  # whether the model has written anything, hidden reasoning included

    async def run(self) -> None:
        """Deliver the reply.

        Raises:
            GenerationError: It failed; what was delivered before stays valid.
        """
        breaker = self._server.breaker
        if (refusal := breaker.refusal()) is not None:
            raise self._server.failures.suspended(refusal).error()
        try:
            await self._before_deadline()
        except RequestFailedError as failed:
            if failed.fault.retryable and failed.fault.failure in _COUNTED:
                breaker.failed(failed.fault.message)
            else:
                breaker.succeeded()
            raise failed.fault.error() from failed.__cause__
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()

    async def _before_deadline(self) -> None:
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                await self._with_retries()
        except TimeoutError:
            if self.finish_reason is None:
                raise RequestFailedError(self._server.failures.too_slow(self._started)) from None

    async def _with_retries(self) -> None:
        retries = 0
        tried: list[Adaptation] = []
        while True:
            body = adapted(self._body, [*self._server.adaptations, *tried])
            try:
                await self._ask(body)
            except RequestFailedError as failed:
                fault = failed.fault
                if fault.refused and not self._started:
                    known = [*self._server.adaptations, *tried]
                    if adaptation := find_adaptation(body, fault.blamed, fault.said, known):
                        tried.append(adaptation)
                        continue
                pause = self._pause(failed, retries)
            else:
                self._server.adaptations.extend(a for a in tried if a not in self._server.adaptations)
                return
            retries += 1
            await self._server.sleep(pause)

    def _pause(self, failed: RequestFailedError, retries: int) -> float:
        """Returns how many seconds to wait before the next try, or raises `failed` where there is none."""
        fault, settings = failed.fault, self._server.settings
        if fault.repeat and (fault.wait or 0) > settings.retry_after_limit:
            raise RequestFailedError(self._server.failures.waits_too_long(fault)) from failed.__cause__
        if self._started or not fault.repeat or retries >= settings.model_retries:
            raise failed
        backoff = min(_FIRST_PAUSE * 2**retries, _LONGEST_PAUSE) * (1 - self._server.jitter() / 2)
        pause = fault.wait or backoff
        if time.monotonic() + pause >= self._deadline:
            raise failed
        return pause

    async def _ask(self, body: Mapping[str, object]) -> None:
        """Sends one request and reads its stream."""
        failures = self._server.failures
        client = self._client()  # importing the package takes a while, for which no server can be blamed
        self.requests += 1
        watch = asyncio.timeout(self._server.settings.first_token_timeout)
        try:
            async with watch:
                await self._read(client, body, watch)
        except RequestFailedError:
            raise
        except Exception as error:
            if self.finish_reason is not None:
                return  # the reply is complete; what broke came after it
            fault = failures.no_token(self._started) if watch.expired() else None
            fault = fault or failures.explain(error, self._started)
            if fault is None:
                raise
            if fault.failure == "unknown_model":
                fault = failures.unknown_model(fault.said, await self._offered_models())
            raise RequestFailedError(fault) from error

    def _client(self) -> AsyncOpenAI:
        import httpx2

        try:
            return self._server.client()
        except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
            # An address that is none, or a proxy or certificate of the environment that cannot be used.
            raise RequestFailedError(self._server.failures.unusable(error)) from error

    async def _read(self, client: AsyncOpenAI, body: Mapping[str, object], watch: asyncio.Timeout) -> None:
        import httpx2
        from openai import AsyncStream

        # Asked for the bare response, the package returns it unread and makes no stream of its own.
        opened = await client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body=body,
            options=_OPTIONS,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        response = cast(httpx2.Response, opened)
        self.accepted = True
        decoder = EventDecoder()
        async with aclosing(response.aiter_raw()) as received:
            async for piece in received:
                for data in decoder.feed(piece):
                    watch.reschedule(self._until(data, watch))
        if self.finish_reason is None:
            kind = response.headers.get("content-type", "")
            raise RequestFailedError(self._server.failures.truncated(kind, self._started))

    def _until(self, data: str, watch: asyncio.Timeout) -> float | None:
        """Returns until when the event after this one is waited for, on the loop's clock."""
        now = asyncio.get_running_loop().time()
        if data == DONE:
            return now + _AFTER_DONE if self.finish_reason else watch.when()
        event = json.loads(data)
        chunk = Chunk.model_validate(event)
        if chunk.error or chunk.object == "error":
            raise RequestFailedError(self._server.failures.broken_off(chunk.error or event))
        return now + self._patience() if self._take(chunk) else watch.when()

    def _take(self, chunk: Chunk) -> bool:
        """Returns whether the chunk brought the reply forward."""
        self.reported = chunk.reported_usage or self.reported
        choice = chunk.choice
        if choice is None or self.finish_reason is not None:
            return False
        progress = False
        if choice.delta is not None:
            progress = choice.delta.is_progress
            self._started = self._started or progress
            self._hand_on(choice.delta.text)
        self.finish_reason = choice.finish_reason or None
        return progress or self.finish_reason is not None

    def _hand_on(self, text: str) -> None:
        self._characters_left -= len(text)
        if self._characters_left < 0:
            raise RequestFailedError(self._server.failures.too_long(self._characters))
        if whole := self._joiner.feed(text):
            self._deliver(whole)

    def _patience(self) -> float:
        return _AFTER_FINISH if self.finish_reason else self._server.settings.token_timeout

    async def _offered_models(self) -> list[str]:
        """Returns the models that the endpoint lists; none where it does not say so quickly."""
        import openai

        if self._server.endpoint.azure_version is not None:
            return []  # Azure lists models, but is asked for deployments
        try:
            async with asyncio.timeout(_MODEL_LIST):
                listed = await self._server.client().get("/models", cast_to=object, options=_OPTIONS)
            return [entry.id for entry in ModelList.model_validate(listed).data]
        except (openai.OpenAIError, MalformedReplyError, TimeoutError, ValueError, RecursionError):
            return []
