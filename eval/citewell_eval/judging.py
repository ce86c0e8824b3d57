"""What decides whether passages support a sentence: the verifier, or a language model, live or recorded.

A judge's verdicts are recorded as JSON lines, each under a key made from the judge's name, its prompt and what it
judged. Replaying a record asks nobody: a verdict that is not in it is an error, for a silent call would make a run in
CI depend on the network, and a default would be made up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from citewell.author import read_judgement
from citewell.chunking import sentence_spans
from citewell.citations import Cited, Claim, Draft, Source
from citewell.embedding.base import Embedder, Passages
from citewell.errors import UsageError
from citewell.llm import LanguageModel
from citewell.llm.base import Message
from citewell.prompts import load_prompt
from citewell.sources import fence, sanitise
from citewell.types import Paper
from citewell.verification import verify
from pydantic import BaseModel, ValidationError

PROMPT = "judge_support"
_LONGEST_VERDICT = 200  # tokens
# The structure that an endpoint with structured output is asked for: the verdict, and no reasons that nobody reads.
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["supported"],
    "properties": {"supported": {"type": "boolean"}},
}


class Passage(NamedTuple):
    """What a citation points to: the paper, and the words of it that it shows."""

    paper: Paper
    quote: str


class Support(Protocol):
    """Decides whether passages, read together, support a sentence; `name` says who decides."""

    name: str

    def __call__(self, sentence: str, passages: Sequence[Passage]) -> bool:
        """Returns the verdict."""


class VerifierSupport:
    """The deterministic verifier of Citewell, given the cited passages as one source."""

    name = "verifier"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, sentence: str, passages: Sequence[Passage]) -> bool:
        """Returns whether the passages hold the sentence, or every part of it passes the verifier."""
        text = "\n".join(passage.quote for passage in passages)
        if _plain(sentence) in _plain(text):
            return True
        key = sentence, text
        if key not in self._known:
            self._known[key] = self._verified(sentence, text)
        return self._known[key]

    def _verified(self, sentence: str, text: str) -> bool:
        spans = tuple(sentence_spans(text))
        if not spans:
            return False
        (vectors,) = self._embedder.embed_papers([Passages("", text, spans)])
        source = Source(1, Paper("", text, paper_id="passages"), spans, vectors.chunks)
        judged = verify(Claim(sentence, (Cited(1, None),)), [source], self._embedder)
        return bool(judged) and all(isinstance(outcome, Draft) for outcome in judged)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


class Verdict(BaseModel):
    """A recorded verdict; `supported` is None where the judge's reply could not be understood."""

    key: str
    judge: str
    sentence: str
    supported: bool | None


class RecordedJudge:
    """The verdicts that a language model gave once.

    Args:
        path: the record.

    Raises:
        UsageError: the record cannot be read, or holds several judges and none is named.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.verdicts = {verdict.key: verdict for verdict in read_record(path)}
        judges = sorted({verdict.judge for verdict in self.verdicts.values()})
        if len(judges) != 1:
            raise UsageError(f"{path} holds verdicts of {len(judges)} judges. Record each into its own file.")
        self.name = judges[0]

    def __call__(self, sentence: str, passages: Sequence[Passage]) -> bool:
        """Returns the recorded verdict; one that could not be understood is no support.

        Raises:
            UsageError: there is none.
        """
        try:
            return bool(self.verdicts[verdict_key(self.name, sentence, passages)].supported)
        except KeyError:
            model = "local" if self.name.endswith("(local)") else self.name
            raise UsageError(
                f"{self._path} holds no verdict on {sentence[:80]!r}. "
                f"Record it: the same command with `--judge {model} --record {self._path}`."
            ) from None


class LiveJudge:
    """A language model that is asked about each sentence once, and whose verdicts are recorded as they come.

    Args:
        model: the judge.
        path: where verdicts are appended, and found again; None keeps them in memory.
    """

    def __init__(self, model: LanguageModel, path: Path | None = None) -> None:
        self.name = model.name
        self._model = model
        self._path = path
        known = read_record(path) if path is not None and path.exists() else []
        self.verdicts = {verdict.key: verdict for verdict in known}

    def __call__(self, sentence: str, passages: Sequence[Passage]) -> bool:
        """Returns the verdict; a reply that cannot be understood is no support.

        Raises:
            ModelError: the judge cannot be reached; verdicts so far are recorded.
        """
        key = verdict_key(self.name, sentence, passages)
        if key not in self.verdicts:
            verdict = Verdict(
                key=key, judge=self.name, sentence=sentence, supported=self._ask(sentence, passages)
            )
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(verdict.model_dump_json() + "\n")
            self.verdicts[key] = verdict
        return bool(self.verdicts[key].supported)

    def _ask(self, sentence: str, passages: Sequence[Passage]) -> bool | None:
        line = fence()
        values = {
            "fence": line,
            "sentence": sanitise(sentence, line),
            "quotes": "\n".join(sanitise(passage.quote, line) for passage in passages),
        }
        messages = [Message(*turn) for turn in load_prompt(PROMPT).messages(**values)]
        with self._model.stream(messages, max_tokens=_LONGEST_VERDICT, schema=_SCHEMA) as reply:
            judgement = read_judgement("".join(reply))
        return None if judgement is None else judgement.supported


def verdict_key(judge: str, sentence: str, passages: Sequence[Passage]) -> str:
    """Returns the key of a verdict: who judges by which prompt, and what."""
    judged = [judge, load_prompt(PROMPT).sha256, sentence, *(passage.quote for passage in passages)]
    return hashlib.sha256(json.dumps(judged).encode()).hexdigest()


def read_record(path: Path) -> list[Verdict]:
    """Returns the verdicts of a record.

    Raises:
        UsageError: it cannot be read, or a line is no verdict.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the verdicts {path}: {error}.") from error
    verdicts = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            verdicts.append(Verdict.model_validate_json(line))
        except ValidationError as error:
            raise UsageError(
                f"{path}:{number} is no recorded verdict. Remove the line, or record again."
            ) from error
    return verdicts
