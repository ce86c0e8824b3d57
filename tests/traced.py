"""A model that replies by a script, and an assistant in a few lines whose answers are traced."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from citewell.citations import Cited, Claim, Draft, Quote, Source
from citewell.errors import GenerationError
from citewell.library import Filters
from citewell.llm.base import Message, Usage
from citewell.settings import Settings
from citewell.sources import Shown
from citewell.trace import Trace
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Paper,
    Rejected,
    SearchResult,
    Sentence,
    Span,
)

PAPER = Paper("FreeNoise", "It is so. It is 1.2 times as fast.", "p1", year=2023, authors=("A. Author",))
SPANS = (Span(0, 9), Span(10, 34))
SHOWN = Shown(Source(1, PAPER, SPANS, np.array([[0.1, 0.2], [0.3, 1 / 3]], np.float32)), "It is so. …")
QUOTED = Draft("It is so.", (Quote(PAPER, SPANS[0], "It is so."),), "quoted")
EARLIER = Answer(
    "What is FreeNoise?",
    "What is FreeNoise?",
    (),
    (),
    Coverage(9, 0, 0, 0),
    EngineInfo("quotes", "minilm", None, None, "c1"),
    0.1,
    Abstention("nothing_relevant", "Nothing.", (SearchResult("p1", "FreeNoise", 0.5, 1),)),
)


class ScriptedModel:
    """Replies with the pieces of one script after another; an error among them is raised."""

    name = "scripted"
    context_tokens = 4_096

    def __init__(self, *scripts, tick=lambda: None):
        self.scripts = list(scripts)
        self.asked = []
        self.closed = False
        self._tick = tick

    def stream(self, messages, *, max_tokens, schema=None, deadline=None):
        self.asked.append((list(messages), max_tokens, schema))
        return ScriptedReply(self.scripts.pop(0), self._tick)

    def close(self):
        self.closed = True


class ScriptedReply:
    def __init__(self, script, tick):
        self._script = script
        self._tick = tick
        self.finish_reason = None
        self.usage = Usage()

    def __iter__(self):
        for piece in self._script:
            self._tick()
            if isinstance(piece, BaseException):
                raise piece
            self.usage += Usage(10, 1)
            yield piece
        self.finish_reason = "stop"

    def close(self):
        self._script = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Clock:
    """Goes on by a second whenever it is told to."""

    now = 100.0

    def __call__(self):
        return self.now

    def tick(self):
        self.now += 1


CREATED = datetime(2026, 11, 21, 8, 39, 10, 123456, tzinfo=UTC)
SETTINGS = Settings(data_dir=Path("/home/somebody/data"), local_model=Path("/home/somebody/small.gguf"))


def new_trace(clock=None, environ=None):
    return Trace(SETTINGS, environ or {}, clock or Clock(), CREATED)


# --- an assistant in a few lines, which draws its sentences from two requests ----------------------------------


def ask(model, recorder, question, history=(), fence="=====a1b2====="):
    """Answers with a line for every line of the model's replies; it reads no more than five pieces of each."""
    recorder.record("question", question)
    recorder.record("history", history)
    recorder.record("filters", Filters(since="2025-08-22", years=(2020, None)))
    recorder.record("fence", fence)
    recorder.record("sources", [SHOWN])
    recorder.record("quotes", [QUOTED])
    model = recorder.listen(model)
    sentences, usage, error = [], Usage(), None
    for prompt in ("Answer", "Repair"):
        messages = [Message("system", f"{prompt} within {fence}."), Message("user", question)]
        try:
            with model.stream(messages, max_tokens=50, schema={"type": "object"}) as reply:
                try:
                    for line in "".join(piece for _, piece in zip(range(5), reply, strict=False)).split("\n"):
                        with recorder.step("verify", claim=Claim(line, (Cited(1, None),))) as step:
                            step["outcome"] = Rejected(line, "It is wrong.", "number")
                        sentences.append(Sentence(line, (1,), "verified"))
                finally:
                    usage += reply.usage
        except GenerationError as failed:
            error = str(failed)
    answer = Answer(
        question,
        question,
        tuple(sentences),
        (Citation(1, "p1", "FreeNoise", None, "It is so.", 0, 9),),
        Coverage(9, 3, 1, 1),
        EngineInfo(model.name, "minilm", "answer/1", "ab" * 32, "c1"),
        0.75,
        usage={"prompt_tokens": usage.prompt_tokens, "requests": usage.requests},
        timings={"total": 1.5},
        error=error,
    )
    recorder.record("answer", answer)
    return answer


BROKEN = GenerationError("The model's server broke off.", "truncated", retryable=True)
SCRIPTS = {
    "good": (["One", " two.\n", "", "Three."], ["Four."]),
    "failing": (["One.", BROKEN], ["Two."]),
    "refused": ([GenerationError("No.", "unauthorised")], []),
    "left early": ([f"{n} " for n in range(9)], ["\ud83d half\n", "🙂 whole"]),
    "empty": ([], []),
}


def written(tmp_path, *scripts):
    trace = new_trace()
    answer = ask(ScriptedModel(*scripts), trace, "Why?", [EARLIER])
    return trace.write(tmp_path / "trace.json"), answer
