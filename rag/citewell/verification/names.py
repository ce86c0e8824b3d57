"""Names: acronyms, capitalised and mixed-case words and words with digits must stand in the cited abstracts.

Case, accents, TeX, hyphens, spaces and plurals do not count: "GPT-4" is "GPT 4", "LLMs" is "LLM". An acronym may
stand for its words, and words for their acronym. Names in lower case are not seen here; the content check is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from citewell.corpus import search_form
from citewell.text import STOPWORDS, fold, stem
from citewell.verification.numerals import digit_names, in_digits
from citewell.verification.quantities import quantities

_LONGEST = 6  # pieces that one name may be written in: "Llama 3.1 8 B"
_TOKEN = re.compile(r"[^\W_][\w]*(?:(?:[-.@&_]|\u2019(?=[^\W\d_]{2})|'(?=[^\W\d_]{2}))\w+)*")
_PIECE = re.compile(r"[^\W_]+")
_SCRIPT = re.compile(r"\$([_^]\{?\w{1,6}\}?)\$")  # "CO$_2$"
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s?(?!\w)")
_LONGEST_NAME = 80  # characters
_NUMBER_AND_UNIT = re.compile(r"[\d.]+(?:st|nd|rd|th)?[^\W\d_]*(?:-[a-z]+)*|[\d.]+[xe][\d.-]+")
_LISTED = re.compile(r"(?<![^\W\d_])([^\W\d_]{1,40})[- ]?\d{1,9}((?:(?:/|, ?| ?and ?)\d{1,9})+)")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]\s|[(\u201c\"\[]\s*|\s[-\u2013]\s|\u2014\s?)\W*$")
_CAPITALISED = re.compile(r"(?:[A-Z][a-z]+[ -]){1,5}[A-Z][a-z]+")
_SHORT_ACRONYM = 3

# Acronyms too short to be recognised by their initials.
_EXPANSIONS = {
    "ai": "artificial intelligence", "ml": "machine learning", "dl": "deep learning", "rl": "reinforcement learning",
    "nn": "neural network", "ann": "artificial neural network", "cnn": "convolutional neural network",
    "rnn": "recurrent neural network", "gnn": "graph neural network", "gan": "generative adversarial network",
    "vae": "variational autoencoder", "lm": "language model", "llm": "large language model",
    "vlm": "vision language model", "nlp": "natural language processing", "cv": "computer vision",
    "ir": "information retrieval", "qa": "question answering", "vqa": "visual question answering",
    "sgd": "stochastic gradient descent", "gd": "gradient descent", "gp": "gaussian process",
    "pca": "principal component analysis", "svm": "support vector machine", "svd": "singular value decomposition",
    "mse": "mean squared error", "mae": "mean absolute error", "ode": "ordinary differential equation",
    "sde": "stochastic differential equation", "pde": "partial differential equation", "vit": "vision transformer",
    "mlp": "multilayer perceptron", "moe": "mixture of experts", "cot": "chain of thought",
    "dpo": "direct preference optimization", "ppo": "proximal policy optimization", "kl": "kullback leibler",
    "ot": "optimal transport", "hpc": "high performance computing", "iot": "internet of things",
    "us": "united states", "uk": "united kingdom", "eu": "european union", "mri": "magnetic resonance imaging",
    "ct": "computed tomography", "eeg": "electroencephalography", "rct": "randomized controlled trial",
    "hiv": "human immunodeficiency virus", "tb": "tuberculosis", "who": "world health organization",
}  # fmt: skip

# Words that open sentences and are no names. Others are known by their ending, or from the cited abstracts.
_OPENERS = frozenset(
    """
    accurate actual afterwards algorithms along alongside altogether analyses apart approximate around art
    average basic best better big certain changes classic common comparable comparison comparisons complete
    complex computer constraints current currently data deep despite different direct due earlier early effects
    efficient efforts either empirical end errors even every everyday examples existing experts exploratory
    extra false fast feature features fewer finally findings fine first five four fourth free full further
    furthermore future general global good hand hence herein high higher hitherto however human humans ideal
    images important initial insofar instead joint key keywords language large larger last late later latest
    learned least less likelihood likewise limits little local long low lower machine main major many maximum
    meanwhile medium memory methods minimum mixed model models modern moreover multi multiple namely natural
    neither neural new next nine no nonetheless notwithstanding novel nowadays old online open optimal original
    otherwise overall parallel part partial past people per perhaps plain poor popular possible posterior
    potential practical preliminary present prior problems process processes proof quality quite random rapid
    rare rather raw real recent relevant research researchers rest results rich robust sample samples scale
    search second self separate seven several sharp short significant similar simple since single six size slow
    small smaller smart so social soft software some sometimes space sparse special specific speech speed
    standard state static still strong structural subjects subsequent substantial such sufficient systems task
    tasks ten test text thanks the theory thereafter thereby therefore these third three throughout thus time
    today together tools topics total toward towards traditional training true two type types typical under
    uniform unlike user users valid value values very video virtual visual water weak well whatever whenever
    whereas whereby whereupon whether while whilst whole wide work works year years yet young
    """.split()
)
_ENDING = re.compile(
    r"(?:ing|ed|ly|ions?|ments?|ers|ors|ness|ity|ities|ists|ants?|ents?|ances?|ences?|als?|ives?|ures|able|ful|ous|ic|less"
    r"|isms?|ogy|ogies|ary)$"
)
# Names that end like ordinary words.
_NAMES_BY_ENDING = frozenset(
    """
    ahmed alfred antarctic arctic atlantic baltic beijing billy boeing browning bryant calgary chongqing
    clarence dominic emily fleming florence france ghent grant guinness hawking hilary hungary inverness italy
    kelly lawrence manning marion mohammed molly montreal nanjing natal nepal orion pacific paypal portugal
    provence reading rogers sally sanders senegal sicily sterling terence titanic trent turing vincent
    """.split()
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What an abstract holds: joined runs of its words, stems of single ones, its words in order."""

    joined: frozenset[str]
    stems: frozenset[str]
    pieces: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Returns whether a name stands here, whatever its hyphens, spaces, case or plural."""
        form = _joined(name)
        return form in self.joined or _singular(form) in self.joined


def problem(sentence: str, abstracts: Sequence[str], numbers: Sequence[int]) -> str | None:
    """Returns which name of a sentence stands in none of the abstracts, as a reason to repair it from, or None.

    Args:
        sentence: the sentence.
        abstracts: the abstracts it cites, as given.
        numbers: their numbers as sources, for the reason.
    """
    held = [_held(abstract) for abstract in abstracts]
    missing = [name for name in _names(sentence) if not any(_stands(name, sentence, h) for h in held)]
    if not missing:
        return None
    where = "source " + " and ".join(map(str, numbers))
    named = ", ".join(f'"{name}"' for name in dict.fromkeys(missing))
    return f"{named} {'is' if len(missing) == 1 else 'are'} not in {where}."


def names_digit(name: str, abstract: str) -> bool:
    """Returns whether a word of an abstract is this name with a digit, however joined: "GPT 4" for its "GPT-4"."""
    return _joined(name) in {_joined(match[0]) for match in digit_names(_form(abstract))}


def _names(sentence: str) -> Iterator[str]:
    """Yields the words of a sentence that have to be looked up."""
    plain = _POSSESSIVE.sub("", _form(sentence))
    for match in _TOKEN.finditer(plain):
        token = _behind_number(match[0])
        if not token or not any(char.isupper() or char.isdigit() for char in token):
            continue
        if token.isdigit() or token in ("A", "I") or _says_no_name(token):
            continue
        opens = token[0] == match[0][0] and _SENTENCE_START.search(plain, 0, match.start()) is not None
        # A capital after a colon is a habit of titles, whose words are as likely names as not.
        in_title = plain[: match.start()].rstrip().endswith(":")
        if not (opens and _ordinary(token) and (not in_title or fold(token) in _OPENERS)):
            yield token
    for match in _LISTED.finditer(plain):
        yield from (f"{match[1]}-{number}" for number in re.findall(r"(?<=/)\d+", match[2]))


def _says_no_name(word: str) -> bool:
    """Returns whether a capitalised word is a function word or a number that the number check sees."""
    return word[1:].islower() and (fold(word) in STOPWORDS or in_digits(word.lower()).isdigit())


def _behind_number(token: str) -> str:
    """Returns what is left of a word behind the number it opens with: "GPU" of "4-GPU", nothing of "20ms"."""
    while token[:1].isdigit() and len(token) <= _LONGEST_NAME:
        if quantities(token) and _NUMBER_AND_UNIT.fullmatch(token):
            return ""
        number, _, rest = token.partition("-")
        if not rest or not quantities(number):
            return token
        token = rest
    return token


def _ordinary(word: str) -> bool:
    """Returns whether the first word of a sentence is no name, as far as can be told without a dictionary."""
    head = word.partition("-")[0]
    if not (head[0].isupper() and (head[1:].islower() or len(head) == 1)):
        return False
    if head != word and any(char.isupper() or char.isdigit() for char in word[len(head) :]):
        return False
    folded = fold(head)
    if folded in _OPENERS or _says_no_name(head):
        return True
    return folded not in _NAMES_BY_ENDING and len(folded) > 4 and _ENDING.search(folded) is not None


def _stands(name: str, sentence: str, held: _Held) -> bool:
    """Returns whether the abstract holds a name, whole or, where it has no digit, in its parts."""
    if held.has(name):
        return True
    core = _core(name)
    if core != name and held.has(core):
        return True
    parts = _PIECE.findall(core)
    if any(char.isdigit() for char in core):
        return False
    return all(_word_stands(part, sentence, held) for part in parts if not part.islower())


def _core(name: str) -> str:
    """Returns a name without the ordinary words joined to it: "GPT-4" of "GPT-4-based"."""
    parts = re.split(r"(?<=\w)-(?=\w)", name)
    while len(parts) > 1 and parts[-1].islower() and parts[-1].isalpha():
        parts.pop()
    while len(parts) > 1 and parts[0].islower() and parts[0].isalpha() and not parts[1][0].isdigit():
        parts.pop(0)
    return "-".join(parts)


def _word_stands(word: str, sentence: str, held: _Held) -> bool:
    folded = fold(word)
    if held.has(word) or stem(folded) in held.stems or _says_no_name(word):
        return True
    bare = word.removesuffix("s")
    if len(bare) > 1 and bare.isupper():
        return _expanded(bare.lower(), held) or _introduced(bare, sentence)
    return word[0].isupper() and _abbreviated(word, sentence, held)


def _expanded(acronym: str, held: _Held) -> bool:
    """Returns whether the words that an acronym stands for are in the abstract."""
    if (words := _EXPANSIONS.get(acronym)) is not None and held.has(words):
        return True
    if len(acronym) <= _SHORT_ACRONYM:
        return False
    return acronym in "".join(piece[0] for piece in held.pieces)


def _introduced(acronym: str, sentence: str) -> bool:
    """Returns whether the sentence itself spells the acronym out: "break-induced replication (BIR)"."""
    before = re.search(rf"^(.*)\({acronym}s?\)", sentence)
    spelled = _PIECE.findall(before[1])[-len(acronym) :] if before else []
    return "".join(piece[0] for piece in spelled).upper() == acronym


def _abbreviated(word: str, sentence: str, held: _Held) -> bool:
    """Returns whether capitalised words around this one have their acronym in the abstract, which spells it nowhere."""
    initials = "".join(piece[0] for piece in held.pieces)
    for match in _CAPITALISED.finditer(sentence):
        run = re.split("[ -]", match[0])
        acronym = "".join(part[0] for part in run).lower()
        if word in run and acronym in held.pieces and acronym not in initials:
            return True
    return False


@lru_cache(maxsize=64)
def _held(abstract: str) -> _Held:
    pieces = tuple(_PIECE.findall(fold(_form(abstract))))
    joined = {
        "".join(pieces[start : start + length])
        for length in range(1, _LONGEST + 1)
        for start in range(len(pieces) - length + 1)
    }
    for match in _LISTED.finditer(_form(abstract)):  # "CIFAR-10/100" names CIFAR-100 too
        joined.update(fold(match[1]) + number for number in re.findall(r"\d+", match[2]))
    joined |= {_singular(form) for form in joined}
    return _Held(frozenset(joined), frozenset(stem(piece) for piece in pieces), pieces)


def _form(text: str) -> str:
    return search_form(_SCRIPT.sub(r"\1", text))


def _joined(name: str) -> str:
    return "".join(_PIECE.findall(fold(_form(name))))


def _singular(form: str) -> str:
    return form[:-1] if len(form) > 3 and form[-1] == "s" and form[-2] != "s" else form
