"""Words that turn a statement: which say more or less, make or hinder, better or worse, and which are opposites."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from citewell.text import stem

Family = Literal["amount", "cause", "worth"]

SENSES: dict[tuple[Family, int], str] = {
    ("amount", 1): """increase raise elevate enhance boost amplify grow higher greater larger more upregulate augment
        rise rising rose exceed gain heighten intensify expand strengthen accelerate faster longer bigger stronger
        extend prolong overexpress overexpression abundant excess most highest largest high exacerbate aggravate surge
        maximize maximise widen older later up double triple""",
    ("amount", -1): """decrease reduce lower decline diminish attenuate drop fall fell fallen fewer less smaller
        downregulate shrink lessen weaken slow slower shorter weaker shorten deplete minimize minimise least lowest
        smallest low loss lose mitigate alleviate curb cut limit restrict dampen deficit reduction scarce poor impair
        lack absence delay down decelerate ameliorate relieve lighten narrow halve""",
    ("cause", 1): """promote induce activate stimulate facilitate enable drive trigger support cause initiate permit
        allow favor favour contribute produce lead result require essential necessary crucial important mediate
        dependent responsible associate correlate link predict able""",
    ("cause", -1): """inhibit suppress prevent block impede hinder repress disrupt abolish inactivate deactivate
        antagonize abrogate prohibit silence protect avoid eliminate arrest stop interfere counteract dispensable
        independent unrelated unable unnecessary unaffected struggle fail dissociate unlikely rarely seldom""",
    ("worth", 1): """better superior outperform improve best surpass beneficial effective success successful succeed
        advantage robust outstrip beat benefit efficient accurate good safe""",
    ("worth", -1): """worse inferior underperform degrade worst lag detrimental ineffective unsuccessful harmful harm
        deteriorate poorer inaccurate inefficient bad adverse worsen dangerous unsafe""",
}  # fmt: skip
ANTONYMS = """with/without before/after above/below early/late earlier/later strong/weak positive/negative
    dense/sparse many/few large/small high/low long/short fast/slow simple/complex easy/hard easy/difficult
    common/rare frequent/rare global/local static/dynamic offline/online discrete/continuous supervised/unsupervised
    dependent/independent necessary/unnecessary sufficient/insufficient possible/impossible able/unable same/different
    similar/different presence/absence accept/reject agree/disagree allow/prevent include/exclude open/closed
    public/private internal/external male/female men/women adult/child young/old acute/chronic encoder/decoder
    training/inference human/animal human/machine maximum/minimum maximize/minimize gain/loss win/lose begin/end
    first/last upper/lower left/right single/multiple shallow/deep narrow/broad narrow/wide thin/thick rich/poor
    old/new stable/unstable sensitive/insensitive sensitive/resistant susceptible/resistant always/never all/none
    most/few often/rarely active/passive successful/unsuccessful expensive/cheap costly/cheap advantage/disadvantage
    benefit/harm correct/incorrect true/false safe/dangerous protective/harmful support/refute confirm/refute
    implicit/explicit synthesis/degradation inside/outside near/far forward/backward finite/infinite
    deterministic/stochastic robust/fragile robust/vulnerable underestimate/overestimate seen/unseen known/unknown
    labeled/unlabeled sequential/parallel clean/noisy real/synthetic real/simulated coarse/fine abstractive/extractive
    together/separately combine/separate merge/split best/worst outperform/underperform increase/decrease
    improve/degrade reduce/increase promote/inhibit promote/suppress promote/prevent induce/prevent induce/inhibit
    activate/inhibit activate/suppress enable/prevent cause/prevent stimulate/inhibit stimulate/suppress
    facilitate/hinder facilitate/impede require/dispensable keep/lose keep/lost retain/lose retain/lost"""

# Opposites that only the rules know; ANTONYMS is also a feature of the fitted model.
STRICT = """ahead/behind ahead/trail surpass/trail exceed/trail outperform/trail lead/trail lead/lag stable/collapse
    stable/diverge converge/diverge succeed/fail excel/fail cheaper/expensive cheaper/costlier cheap/costlier help/hurt
    improve/hurt quickly/slowly rapidly/slowly fast/slowly agree/disagree survive/die freeze/thaw stay/change
    unchanged/changed overfit/underfit mandatory/optional"""

_GRADED = tuple(
    (re.compile(rf"\b{phrase}\b", re.IGNORECASE), word)
    for phrase, word in (
        (r"(?:more slowly|less (?:quickly|rapidly|swiftly))", "slower"),
        (r"(?:more (?:quickly|rapidly|swiftly)|less slowly)", "faster"),
        (r"(?:fall|fell|fallen|stay|remain|lag)(?:s|ed)? (?:short|behind)(?: of)?", "trails"),
    )
)


def graded(text: str) -> str:
    """Returns a text with one word for phrases that compare: "slower" for "more slowly"."""
    for pattern, word in _GRADED:
        text = pattern.sub(word, text)
    return text


@lru_cache(maxsize=1)
def senses() -> Mapping[str, tuple[Family, int]]:
    """Returns the family and the sign of each word that turns a statement, by its stem."""
    return {stem(word): sense for sense, listed in SENSES.items() for word in listed.split()}


@lru_cache(maxsize=1)
def opposites_of() -> Mapping[str, frozenset[str]]:
    """Returns the opposites of each word that has some, all as stems."""
    return _by_word(ANTONYMS)


@lru_cache(maxsize=1)
def strict_opposites() -> Mapping[str, frozenset[str]]:
    """Returns the opposites by which a rule finds a sentence turned, all as stems."""
    return _by_word(f"{ANTONYMS} {STRICT}")


def _by_word(pairs: str) -> dict[str, frozenset[str]]:
    opposites: dict[str, set[str]] = {}
    for pair in pairs.split():
        one, other = (stem(word) for word in pair.split("/"))
        opposites.setdefault(one, set()).add(other)
        opposites.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in opposites.items()}
