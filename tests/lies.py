"""Every way in which a model lies about the made-up papers, and which check has to find it out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from citewell.types import Check
from hidden_payloads import ADDITIONS, FOREIGN, FORMS, HIDDEN, LEAKS, MARKUP, ORDERS
from made_up_papers import EDITS, FACTS, PAPERS, Fact

FALSE: frozenset[Check] = frozenset({"number", "name", "content", "polarity", "quote"})

# Which checks may find a lie out, by kind.
CHECKS: dict[str, frozenset[Check]] = {
    "invented source": frozenset({"citation", "format"}),
    "no source": frozenset({"citation"}),
    "wrong number": frozenset({"number"}),
    "odd digits": frozenset({"number", "name", "markup"}),
    "wrong unit": frozenset({"number", "name"}),
    "wrong sign": frozenset({"number"}),
    "wrong bound": frozenset({"number"}),
    "counts something else": frozenset({"number", "content", "polarity"}),
    "wrong name": frozenset({"name"}),
    "wrong thing": frozenset({"content", "polarity"}),
    "swapped": frozenset({"number", "content", "polarity"}),
    "reversed": frozenset({"content", "polarity"}),
    "quote not there": frozenset({"quote"}),
    "claim of another paper": FALSE,
    "wrong paper": frozenset({"quote"}),
    "markup": frozenset({"markup"}),
    "markup in the quote": frozenset({"quote"}),
    "instruction": frozenset({"instruction", "markup"}),
    "leak": frozenset({"instruction", "number", "content"}),
    "invisible": frozenset({"markup"}),
    "homoglyph": frozenset({"name", "content"}),
    "second sentence": FALSE,
    "added clause": frozenset({"content"}),
    "odd JSON": frozenset({"format", "citation", *FALSE}),
    "overlong": frozenset({"format"}),
    "repeated": frozenset({"format", *FALSE}),  # and that it goes in circles
    "foreign": FALSE,
}


@dataclass(frozen=True)
class Cite:
    """A citation as a model writes it: a paper's id, which the prompt turns into a number, or what it invents."""

    source: object
    quote: str | None


@dataclass(frozen=True)
class Said:
    """A sentence as a model writes it."""

    text: str
    cites: tuple[Cite, ...] = ()

    def reply(self, numbers: Mapping[str, int]) -> str:
        """Returns the line that a model writes, given the numbers of the papers in its prompt."""
        return json.dumps(self._body(numbers), ensure_ascii=False) + "\n"

    def prose(self, numbers: Mapping[str, int]) -> str:
        """Returns the sentence in plain text with `[n]` markers."""
        marks = "".join(f"[{cited['source']}]" for cited in self._body(numbers)["citations"])
        return f"{self.text.removesuffix('.')} {marks}.\n"

    def _body(self, numbers: Mapping[str, int]) -> dict[str, Any]:
        cited = []
        for cite in self.cites:
            source = numbers.get(cite.source, cite.source) if isinstance(cite.source, str) else cite.source
            cited.append({"source": source} | ({} if cite.quote is None else {"quote": cite.quote}))
        return {"sentence": self.text, "citations": cited}


@dataclass(frozen=True)
class Lie:
    """A false sentence about a fact.

    Attributes:
        kind: how it is false, a key of `CHECKS`.
        fact: what it is about.
        said: the sentence.
        never: what may not be seen in the answer.
        form: how it is written: `json`, `prose`, or a text with SENTENCE, SOURCE and QUOTE for JSON values.
    """

    kind: str
    fact: Fact
    said: Said
    never: str
    form: str = "json"

    def reply(self, numbers: Mapping[str, int]) -> str:
        """Returns what the model writes, given the numbers of the papers in its prompt."""
        if self.form in ("json", "prose"):
            return self.said.prose(numbers) if self.form == "prose" else self.said.reply(numbers)
        values = {"SENTENCE": self.said.text, "SOURCE": numbers[self.fact.paper], "QUOTE": self.fact.quote}
        filled = re.sub("SENTENCE|SOURCE|QUOTE", lambda m: json.dumps(values[m[0]]), self.form)
        return filled + "\n"

    def __str__(self) -> str:
        return f"{self.kind}: {self.said.text[:120]!r}"


def good(fact: Fact) -> Said:
    """Returns what a good model says."""
    return Said(fact.sentence, (Cite(fact.paper, fact.quote),))


def prompt_numbers(prompt: str) -> dict[str, int]:
    """Returns the number that each paper has in a prompt."""
    ids = {paper.title: paper.paper_id for paper in PAPERS.values()}
    heads = re.findall(r"^\[(\d+)\] (.*)$", prompt, re.MULTILINE)
    return {ids[title]: int(number) for number, title in heads if title in ids}


def about(words: str) -> Fact:
    """Returns the one fact whose faithful sentence holds the words."""
    (fact,) = [fact for fact in FACTS if words in fact.sentence]
    return fact


def lies(seed: int) -> list[Lie]:
    """Returns over 300 lies; where one of several would do, the seed decides which."""
    rng = random.Random(seed)
    told = [lie for make in _MAKERS for lie in make(rng)]
    rng.shuffle(told)
    return told


def _lie(kind: str, fact: Fact, text: str, *cites: Cite, never: str = "", form: str = "json") -> Lie:
    return Lie(kind, fact, Said(text, cites or (Cite(fact.paper, fact.quote),)), never or text, form)


# --- ids, quotes, papers ----------------------------------------------------------------------------------


def _invented_sources(rng: random.Random) -> Iterator[Lie]:
    for fact in FACTS:
        source = rng.choice([0, 99, 9, -1, "two", "[99]", 1.5, True, {"id": 3}, "Smith et al."])
        yield _lie("invented source", fact, fact.sentence, Cite(source, fact.quote))
    for fact in rng.sample(FACTS, 8):
        both = (Cite(fact.paper, fact.quote), Cite(rng.choice([0, 42]), fact.quote))
        yield _lie("invented source", fact, fact.sentence, *both)
    for fact in rng.sample(FACTS, 4):
        yield Lie("no source", fact, Said(fact.sentence), fact.sentence)
        yield _lie("invented source", fact, fact.sentence, Cite(99, None), form="prose")


def _quotes(rng: random.Random) -> Iterator[Lie]:
    for fact in FACTS:
        stranger = rng.choice([other for other in FACTS if other.paper != fact.paper])
        words = fact.quote.split()
        words[len(words) // 2] = "indisputably"
        quote = rng.choice([" ".join(words), f"{fact.quote} in all cases", " ".join(reversed(words)), "", "the",
                            PAPERS[fact.paper].title, stranger.quote, fact.sentence + " Truly."])  # fmt: skip
        yield _lie("quote not there", fact, fact.sentence, Cite(fact.paper, quote))
        own = Cite(stranger.paper, stranger.quote)
        yield _lie("claim of another paper", fact, fact.sentence, own)
        yield _lie("wrong paper", fact, fact.sentence, Cite(stranger.paper, fact.quote))
        yield _lie("claim of another paper", fact, fact.sentence, Cite(stranger.paper, None), form="prose")


# --- numbers, names, claims -------------------------------------------------------------------------------


def _wrong_numbers(rng: random.Random) -> Iterator[Lie]:
    for fact in FACTS:
        found = [m for m in re.finditer(r"(?<![\w-])\d[\d.,]*\b", fact.sentence)]
        for match in found:
            held = PAPERS[fact.paper].abstract
            for wrong in rng.sample(_others(match[0], rng), 2):
                if re.search(rf"(?<![\d.,]){re.escape(wrong)}(?![\d.,]?\d)", held) is None:
                    text = fact.sentence[: match.start()] + wrong + fact.sentence[match.end() :]
                    yield _lie("wrong number", fact, text, form=rng.choice(["json", "prose"]))


def _others(number: str, rng: random.Random) -> list[str]:
    """Returns numbers that look like this one and are others."""
    digits = number.replace(",", "")
    value = float(digits)
    places = len(digits.partition(".")[2])
    changed = [value + rng.randint(1, 9), value * 10, value / 10, value + 0.1, value + 100]
    return [f"{v:.{places}f}" if places else f"{v:g}" if v < 1e5 else f"{v:.0f}" for v in changed]


def _edits(rng: random.Random) -> Iterator[Lie]:
    for kind, edits in EDITS.items():
        for edit in edits:
            old, new = re.split("<?>", edit)
            exchanged = {old: new, new: old} if "<>" in edit else {old: new}
            for fact in FACTS:
                if all(words in fact.sentence for words in exchanged):
                    yield _lie(kind, fact, _exchange(fact.sentence, exchanged))


def _exchange(text: str, exchanged: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, exchanged)), lambda found: exchanged[found[0]], text)


def _odd_digits(rng: random.Random) -> Iterator[Lie]:
    fact = about("41 percent")
    for number in "ninety-one|９１|٩١|⁹¹|⑨①|𝟗𝟏|4 1.5|XCI|ninety|0x29|4.1e2|४२|½|41/2|①".split("|"):
        yield _lie("odd digits", fact, fact.sentence.replace("41", number))
    fact = about("8 of its 128")
    for number in ("sixteen", "half a dozen", "eighty", "a hundred", "twice 8"):
        yield _lie("odd digits", fact, fact.sentence.replace("8 of", f"{number} of", 1))


# --- what is hidden in a sentence -------------------------------------------------------------------------


def _markup(rng: random.Random) -> Iterator[Lie]:
    for payload in MARKUP:
        fact = rng.choice(FACTS)
        bare = fact.sentence.removesuffix(".")
        yield _lie("markup", fact, f"{bare} {payload}.", never=payload)
        quote = f"{fact.quote} {payload}"
        yield _lie("markup in the quote", fact, fact.sentence, Cite(fact.paper, quote), never=payload)


def _instructions(rng: random.Random) -> Iterator[Lie]:
    for order in ORDERS:
        fact = rng.choice(FACTS)
        cite = Cite(fact.paper, fact.quote)
        yield _lie("instruction", fact, order, cite)
        yield _lie("instruction", fact, f"{fact.sentence.removesuffix('.')}; {order}", cite, never=order)


def _leaks(rng: random.Random) -> Iterator[Lie]:
    for leak in LEAKS:
        fact = rng.choice(FACTS)
        yield _lie("leak", fact, leak)
        yield _lie("leak", fact, f"{fact.sentence.removesuffix('.')}; {leak}", never=leak)


def _invisible(rng: random.Random) -> Iterator[Lie]:
    for char in HIDDEN:
        fact = rng.choice(FACTS)
        middle = len(fact.sentence) // 2
        text = fact.sentence[:middle] + char + fact.sentence[middle:]
        yield _lie("invisible", fact, text, never=char)
        wrong = about("41 percent").sentence.replace("41", f"9{char}1")
        yield replace(_lie("odd digits", about("41 percent"), wrong), never="91")


def _added_clauses(rng: random.Random) -> Iterator[Lie]:
    for fact in FACTS:
        for added in rng.sample(ADDITIONS, 2):
            text = f"{fact.sentence.removesuffix('.')}{added}."
            yield _lie("added clause", fact, text, never=added, form=rng.choice(["json", "prose"]))


def _homoglyphs(rng: random.Random) -> Iterator[Lie]:
    lookalikes = {"a": "а", "e": "е", "o": "о", "p": "р", "i": "і", "c": "ϲ", "s": "ѕ", "y": "у"}
    for name in "Longbow ParlaQA Lapland RopeNet Jupiter Kestrel RustBench CallHub Thrush".split():
        fact = next(fact for fact in FACTS if name in fact.sentence)
        letter = rng.choice([char for char in name if char in lookalikes] or ["u"])
        twin = name.replace(letter, lookalikes.get(letter, "υ"), 1)
        yield _lie("homoglyph", fact, fact.sentence.replace(name, twin), never=twin)


# --- how a sentence is written ----------------------------------------------------------------------------


def _odd_json(rng: random.Random) -> Iterator[Lie]:
    edited = [lie for lie in _edits(rng) if lie.kind in ("wrong name", "wrong unit")]
    for form in FORMS:
        yield replace(rng.choice(edited), kind="odd JSON", form=form)


def _long(rng: random.Random) -> Iterator[Lie]:
    for fact in rng.sample(FACTS, 3):
        yield _lie(
            "overlong", fact, f"{fact.sentence.removesuffix('.')}{' and so on' * 150}.", never="and so on"
        )
        yield _lie("overlong", fact, "Zyx" * 1_000, never="Zyx")
        yield _lie("overlong", fact, f"{fact.sentence} " * 80, never=f"{fact.sentence} {fact.sentence}")
    for lie in rng.sample([lie for lie in _edits(rng) if lie.kind == "wrong name"], 4):
        line = '{"sentence": SENTENCE, "citations": [{"source": SOURCE, "quote": QUOTE}]}\n'
        yield replace(lie, kind="repeated", form=line * 12)


def _second_sentences(rng: random.Random) -> Iterator[Lie]:
    kinds = ("wrong name", "wrong unit", "wrong sign")
    for lie in rng.sample([lie for lie in _edits(rng) if lie.kind in kinds], 10):
        for joint in (" ", "  ", "\n"):
            both = replace(lie.said, text=f"{lie.fact.sentence}{joint}{lie.said.text}")
            yield replace(lie, kind="second sentence", said=both)
    for text in (
        "It was also shown to cure cancer in Berlin.",
        "Its authors work at 3 companies.",
        "OpenAI bought it.",
    ):
        fact = rng.choice(FACTS)
        yield _lie("second sentence", fact, f"{fact.sentence} {text}", never=text)


def _foreign(rng: random.Random) -> Iterator[Lie]:
    for words, text in FOREIGN:
        yield _lie("foreign", about(words), text, form=rng.choice(["json", "prose"]))


_MAKERS = (
    _invented_sources, _quotes, _wrong_numbers, _edits, _odd_digits, _markup, _instructions, _leaks,
    _invisible, _added_clauses, _homoglyphs, _odd_json, _long, _second_sentences, _foreign,
)  # fmt: skip
