"""A model whose every reply a test decides, behind a real HTTP server, and an assistant that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from citewell.assistant import Assistant
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings
from citewell.types import Answer, Paper
from lies import Lie, Said, prompt_numbers
from llm_server import Body, LLMServer, Say, Script
from made_up_papers import PAPERS, Fact
from shown_oracle import faults

Reply = Callable[[Mapping[str, int]], str]


@dataclass
class Scripted:
    """What the model says to each kind of request; a script is played, a function is given the papers' numbers."""

    answer: Reply | Script = lambda numbers: ""
    repair: Reply | Script = lambda numbers: ""
    judge: Reply | Script = lambda numbers: '{"supported": true}'
    asked: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    def __call__(self, body: Body) -> Script:
        """Returns the script for a request."""
        system, prompt = (message["content"] for message in body["messages"])
        kind = kind_of(system, prompt)
        self.asked.append(kind)
        self.prompts.append(prompt)
        wanted = getattr(self, kind)
        return Say(wanted(prompt_numbers(prompt))) if callable(wanted) else wanted

    def says(self, answer: Reply | Script, repair: Reply | Script = lambda numbers: "") -> None:
        """Sets what is said from now on, and forgets what was asked."""
        self.answer, self.repair = answer, repair
        self.asked.clear()
        self.prompts.clear()


def kind_of(system: str, prompt: str) -> str:
    """Returns what a request asks for: an answer, its repair, a judgement or a question that stands alone."""
    kinds = {"You answer": "answer", "You check": "judge", "You rewrite": "condense"}
    kind = next(kind for opening, kind in kinds.items() if system.startswith(opening))
    repairs = kind == "answer" and "\n\nDrafted sentences and why they failed:\n" in prompt
    return "repair" if repairs else kind


@dataclass
class Bench:
    """An assistant and the model at its other end."""

    assistant: Assistant
    model: Scripted
    server: LLMServer

    def ask(self, fact: Fact, answer: Reply | Script, repair: Reply | Script = lambda numbers: "") -> Answer:
        """Asks about a fact a model that says this; what is shown has to be true."""
        self.model.says(answer, repair)
        given = self.assistant.ask(fact.question)
        assert faults(given, PAPERS) == []
        return given


@contextmanager
def open_bench(
    papers: Sequence[Paper] = tuple(PAPERS.values()), scripted: Scripted | None = None
) -> Iterator[Bench]:
    """Yields an assistant over the papers, whose model says what it is told to."""
    scripted = scripted or Scripted()
    with LLMServer(scripted) as server:
        breaker = CircuitBreaker(10**6)
        model = OpenAIModel("scripted", Settings(), {}, base_url=server.base_url, breaker=breaker)
        with closing(model), Assistant.from_papers(papers, model=model, answer_cache=0) as assistant:
            yield Bench(assistant, scripted, server)


def saying(*said: Said | Lie) -> Reply:
    """Returns a reply of these sentences."""
    return lambda numbers: "".join(sentence.reply(numbers) for sentence in said)


def verified(answer: Answer) -> list[str]:
    """Returns the sentences of a model that are shown."""
    return [sentence.text for sentence in answer.sentences if sentence.verdict == "verified"]
