"""A language model at work: it writes, and every claim is verified as soon as its sentence is finished.

What fails goes back once, in one request with the reasons; what fails again is dropped. Nothing that was not verified
leaves this module as a draft.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic, perf_counter

from pydantic import BaseModel, ValidationError

from citewell import conversation
from citewell.citations import Claim, Draft, Source
from citewell.embedding.base import Embedder
from citewell.errors import GenerationError
from citewell.llm.base import LanguageModel, Message, Reply, Usage
from citewell.llm.prices import cost
from citewell.prompts import load_prompt
from citewell.replies import SCHEMA, Malformed, parse
from citewell.settings import Settings
from citewell.sources import Shown, render_sources, sanitise
from citewell.sources import fence as new_fence
from citewell.trace import Recorder
from citewell.types import Answer, Failed, Rejected
from citewell.verification.support import prepare
from citewell.verification.verifier import verify

PROMPTS = ("answer", "repair", "judge_support", "condense_question")
_REPAIRED = 8  # most sentences that go back
_HOPELESS = 8  # sentences withheld, and none shown, after which a model is not read on
_BEYOND_REPAIR = frozenset({"format", "instruction"})
_INSTRUCTIONS = 1_500  # tokens of a prompt beside the abstracts: rules, question, sentences to repair
_LEAST_ROOM = 256
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_TOLD = 200  # characters of a judge's reason
_SHORT = 200  # tokens of a reply that is a question or a judgement

Written = Draft | Rejected | Failed


class Stop:
    """Ends an answer from any thread, also while the model is silent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._replies: list[Reply] = []
        self._stopped = False

    def set(self) -> None:
        """Closes the replies that are being read; the answer ends as one whose model failed."""
        with self._lock:
            self._stopped, replies = True, list(self._replies)
        for reply in replies:
            reply.close()

    @property
    def is_set(self) -> bool:
        """Whether the answer was ended."""
        return self._stopped

    @contextmanager
    def watch(self, reply: Reply) -> Iterator[None]:
        """Lets `set` close the reply inside the block, at once if it was called before."""
        with self._lock:
            self._replies.append(reply)
            stopped = self._stopped
        try:
            if stopped:
                reply.close()
            yield
        finally:
            with self._lock:
                self._replies.remove(reply)


class Author:
    """A language model at work on one question.

    Attributes:
        name: the model's name.
        endpoint: where it runs, empty where that is not known.
        usage: tokens and requests so far.
        declined: whether the model said that the sources do not hold the answer.
        verifying: seconds spent on verification.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: Settings,
        embedder: Embedder | None,
        stop: Stop,
        recorder: Recorder,
        fence: str | None = None,
    ) -> None:
        self.name = model.name
        self.endpoint = str(getattr(model, "endpoint", ""))
        self.usage = Usage()
        self.declined = False
        self.verifying = 0.0
        self._model = recorder.listen(model)
        self._recorder = recorder
        self._settings = settings
        self._embedder = embedder
        self._stop = stop
        self._fence = fence or new_fence()
        recorder.record("fence", self._fence)
        self._deadline = monotonic() + settings.answer_timeout

    @property
    def room(self) -> int:
        """How many tokens of abstracts a prompt can hold."""
        context, settings = self._model.context_tokens, self._settings
        if context is None:
            return settings.source_tokens
        return max(
            _LEAST_ROOM, min(settings.source_tokens, context - settings.max_answer_tokens - _INSTRUCTIONS)
        )

    @property
    def stopped(self) -> bool:
        """Whether somebody ended the answer."""
        return self._stop.is_set

    def bill(self) -> dict[str, float]:
        """Returns what the answer has consumed; `cost_usd` where the model's price is known."""
        usage, price = self.usage, cost(self.name, self.usage)
        bill: dict[str, float] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "requests": usage.requests,
        }
        if usage.estimated:
            bill["estimated"] = 1
        return bill if price is None else {**bill, "cost_usd": price}

    def condense(self, question: str, history: Sequence[Answer]) -> str | None:
        """Returns a follow-up as a question that stands alone; None when what the model wrote cannot be one.

        Raises:
            GenerationError: the model failed.
        """
        turns = self._safe(conversation.transcript(history))
        reply = self._whole("condense_question", history=turns, question=self._safe(question))
        return conversation.accept(reply, question, history, self._settings.max_question_chars)

    def write(self, question: str, shown: Sequence[Shown]) -> Iterator[Written]:
        """Yields verified sentences as they are finished, those withheld, and how the model failed if it did."""
        given = {
            "question": self._safe(question),
            "sources": render_sources(shown, self._fence),
            "max_sentences": str(self._settings.max_sentences),
        }
        try:
            withheld: list[Rejected] = []
            stands = False
            with self._read_ahead([item.source for item in shown]):
                for written in self._verified(shown, "answer", **given):
                    yield written
                    stands = stands or isinstance(written, Draft)
                    withheld += [written] if isinstance(written, Rejected) else []
                    if len(withheld) >= _HOPELESS and not stands:
                        return
            failed = [item for item in withheld if item.check not in _BEYOND_REPAIR]
            if failed:
                yield from self._verified(shown, "repair", **given, failed=self._listed(failed[:_REPAIRED]))
        except GenerationError as error:
            yield Failed(str(error))

    @contextmanager
    def _read_ahead(self, sources: Sequence[Source]) -> Iterator[None]:
        """Reads the sources for the verdicts to come inside the block, in which the model is silent at first."""
        ended = threading.Event()
        reader = threading.Thread(target=prepare, args=(sources, self._embedder, ended.is_set))
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()  # a thread left in the embedding model would abort a process that ends

    def _verified(self, shown: Sequence[Shown], prompt: str, **values: str) -> Iterator[Draft | Rejected]:
        """Yields what the reply to one request is worth, sentence by sentence."""
        sources = [item.source for item in shown]
        with self._reply(prompt, self._settings.max_answer_tokens, values, SCHEMA) as reply:
            for item in parse(reply):
                if isinstance(item, Claim):
                    yield from map(self._judged, self._outcomes(item, sources))
                elif isinstance(item, Malformed):
                    yield Rejected(item.text, item.reason, "format")
                else:
                    self.declined = True

    def _outcomes(self, claim: Claim, sources: Sequence[Source]) -> list[Draft | Rejected]:
        started = perf_counter()
        with self._recorder.step("verify", claim=claim) as found:
            found["outcome"] = outcomes = verify(claim, sources, self._embedder)
        self.verifying += perf_counter() - started
        return outcomes

    def _judged(self, outcome: Draft | Rejected) -> Draft | Rejected:
        """Returns the outcome, or a rejection where the model, asked as a judge, finds no support."""
        if isinstance(outcome, Rejected) or self._settings.verify != "judge":
            return outcome
        quotes = self._safe("\n".join(quote.text for quote in outcome.quotes))
        reply = self._whole("judge_support", sentence=self._safe(outcome.text), quotes=quotes)
        against = _against(read_judgement(reply))
        return outcome if against is None else Rejected(outcome.text, against, "judge")

    def _whole(self, prompt: str, **values: str) -> str:
        """Returns a short reply in one piece."""
        with self._reply(prompt, _SHORT, values) as reply:
            return "".join(reply)

    @contextmanager
    def _reply(
        self,
        prompt: str,
        max_tokens: int,
        values: dict[str, str],
        schema: Mapping[str, object] | None = None,
    ) -> Iterator[Iterator[str]]:
        """Yields the pieces of the reply to a prompt, and counts what it consumed."""
        messages = [Message(*turn) for turn in load_prompt(prompt).messages(fence=self._fence, **values)]
        begun = self._model.stream(messages, max_tokens=max_tokens, schema=schema, deadline=self._deadline)
        with begun as reply, self._stop.watch(reply):
            try:
                yield iter(reply)
                if reply.finish_reason not in ("stop", None):
                    raise _cut_short(reply.finish_reason, max_tokens)
            finally:
                self.usage += reply.usage

    def _listed(self, failed: Sequence[Rejected]) -> str:
        return "\n".join(
            f"{n}. {self._safe(item.text)}\n   {self._safe(item.reason)}" for n, item in enumerate(failed, 1)
        )

    def _safe(self, text: str) -> str:
        return sanitise(text, self._fence)


def _cut_short(reason: str | None, max_tokens: int) -> GenerationError:
    if reason == "length":
        message = f"The reply reached {max_tokens} tokens. Raise max_answer_tokens."
    else:
        message = f"The language model stopped early ({reason})."
    return GenerationError(message, "truncated")


class Judgement(BaseModel):
    """What a judge says of a sentence, and why."""

    supported: bool
    reason: str = "not supported by its quotes"


def read_judgement(reply: str) -> Judgement | None:
    """Returns what a judge said, None where it cannot be understood."""
    found = _OBJECT.search(reply)
    try:
        return Judgement.model_validate_json(found[0] if found else reply)
    except ValidationError:
        return None


def _against(judgement: Judgement | None) -> str | None:
    """Returns what a judge has against a sentence; one that cannot be understood has nothing."""
    if judgement is None or judgement.supported:
        return None
    return f"The judge: {' '.join(judgement.reason.split())[:_TOLD]}"
