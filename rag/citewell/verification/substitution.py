"""Substitution: another thing in an otherwise copied sentence, such as "a gold coating" where the source has "tin".

A sentence that repeats most of its evidence shares nearly every word with it, so that one foreign word weighs little
in any average. Here the foreign words alone are looked at: those that title and abstract do not have in any form. In
a sentence that keeps to its evidence they are other words for what stands there, and then a token of the evidence is
near them (late interaction, Khattab and Zaharia 2020, arXiv:2004.12832), or plain words, that restate anything and
name nothing. A word that is neither is another thing. Beside that, a sentence may not exchange who does something and
to what: "the teacher surpasses the student" where the source says that the student surpasses the teacher.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.citations import Source
from citewell.embedding.base import TokenEmbedder, TokenVectors
from citewell.text import STOPWORDS, fold, is_number, stem, words
from citewell.types import Span

# Both from eval/datasets/paraphrases-dev.jsonl and SciFact's supported claims, see citewell_eval.paraphrases.
_COPIED = 0.65  # the least share of a sentence's content words that its evidence has
_NEAR, _NEAR_RARE = 0.45, 0.5  # the least cosine of another word for the same thing; rare: not one token
_ROOT = 5  # letters that two forms of a word share at least
_TOLD = 3
_CLAUSE = re.compile(
    r"[;:,]\s|\s(?=(?:but|while|whereas|which|when|where|because|since|although|than)\b)", re.I
)
_BE = frozenset("be been being is are was were".split())
_BEFORE_PARTICIPLE = frozenset(
    "a an and the this these their its our of in to with".split()
)  # "its reduced bias"
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_APOSTROPHE = re.compile(r"['\u2019].*")

# Words that restate: verbs of saying, doing and comparing, adverbs, and the nouns of any paper. Beside our own, those
# that are about as frequent in each of 26 arXiv categories (effective share of categories over .82) and name no thing.
_PLAIN = """
    ability able absence absent accept accompanied accomplish accord account accurate achieve across act
    actual add added additional address adequate adjust admit adopt advance advantage affect ago agree aim
    albeit allow almost alone along already alternative altogether always amid amount analyse analysis analyze
    another answer apart apparent appear approach appropriate approximation arbitrary argue argument arise
    around arrange ask aspect assess associated assume attain attempt attractive attribute available average
    avoid away back bad base basic basis bear beat become begin behave behavior behind believe belong
    beneficial benefit besides best better beyond big bound break bring broad broader brought build call
    candidate capable capture careful carry case cast catch cause certain challenge change characteristics
    characterized check choice choose chosen circumstances claim clarify clear close closer collect combine
    come common compare comparison complementary complete complex complicated composed comprehensive
    comprising concept concern conclude condition conduct confirm connect consecutive consequence consider
    considerable consist constitute construct contain contemporary continue contrary contrast contribute
    control convenient conventional convert cope correct corresponding cost count counterpart couple course
    cover create criteria critical crucial current cut deal decade decide define definition deliver demand
    demonstrate denote depend derive describe description design despite detail determine develop device
    devise devoted differ difficult difficulty direct discover discuss disparate display distinct distinguish
    divide dominant draw drawn drive drop due earlier easy effect efficient effort elementary eliminate embed
    emerge emphasize employ enable encompass encounter end enhance enormous enough ensure entail enter entire
    equal equivalent essential establish estimate evaluate even event every evidence exact examine example
    exceed excellent except exhaustive exhibit exist expand expect expensive experience explained explanation
    explicit exploit explore express extend extension extent extra extract face facilitate fact factor fail
    fair fall familiar far fashion fast faster favor favour feature fell few fewer filled final find fine
    first fit five fix flexible focus focused follow force form former formulate forward found foundation four
    framework free fresh full function fundamental further furthermore future gain gap gather gave general get
    giving go goal goes good great greater greatest group grow guide half handle happen hard harm held help
    hence high higher highest highlight hinder hold hope however idea ideal identical identification identify
    ignore illustrate immediate impair implement implication implicit important impose impossible improve
    inadequate include inclusion incomplete inconsistent incorporate increase indeed independent indicate
    individual inefficient influence inform inherent initial insight inspect instance instead insufficient
    integrate intend interest interpretation introduce introduction investigate involve issue join joint
    justify keep kept key kind known lack large larger last late later latter lead learn least leave led left
    less let level lie lies limit line link list little long longer look lose loss lost lot low lower
    magnitude main maintain major make manage manner mark match matter maximum mean meaningful measure meet
    mentioned merge method minimal minimum minor miss moderate modern modest modification modify moreover
    motivate move multi multiple mutual naive name narrow nature near necessary necessity need negative
    negligible neither never nevertheless new next non none nonetheless normal notable note notice novel now
    number object observe obtain obvious occur occurrence offer often old older one onto open operate opposed
    optimal option order ordinary organise original otherwise outcome outline outperform outside overall
    overcome owing pair part particular pass past per percent perform perhaps permit perspective pick piece
    place plain plan play plus point poor popular portion pose position possess possible potential practical
    pre precise predict prefer preliminary presence presenting prevent previous principal principle prior
    problem procedure proceed process produce profound progress prominent promising proper property propose
    protect prove provide purpose pursue put qualitative question quick quite raise range rapid rare rather re
    reach ready real realise realistic realized reason recent recognise recognized record recover reduce
    reduction refer reflect regard regardless relate relationship relative relevant reliable rely remain
    remark remedy remove render repeat replace report represent require research resemble resolve respect rest
    restrict result retain return reveal revisit rich right rigorous rise rival role rough rule run same
    satisfactory satisfy save scenario scope second seek seem seen select send sensitive sent separate serious
    serve set settle several shape share shift short shortcoming shorter show shown side significant similar
    simple simpler simplicity simplified simultaneous since single situation six size slight slow slower small
    smaller smallest solution solve sometimes somewhat soon sophisticated sort sought special specific spite
    split spoil stage stand standard start state stay stem step still stop straight straightforward strategy
    strength strict strive strong stronger structure struggle studied sub subject subsequent substantial
    subtle succeed success such suffer suffice sufficient suggest suit suitable superior support suppose
    surpass surprise system systematic tackle take taken target technique tell ten tend term test thanks
    theoretical theory thereby therefore thing think third thorough though three throughout thus time together
    tool top total toward traditional treat treatment trivial trouble true try turn twice type typical unable
    underlying understand unexpected unified unique unless unlike unusual useful usual utilise utility valid
    valuable value variety various vary vast verify versatile version versus via viable view want way weak
    weaken weaker well whatever whereas whereby whether whilst whole wide wider widespread work worse worth
    yet yield
"""

# Verbs that turn their meaning when subject and object change places, and are no nouns or mostly so. "Increase" is not
# one of them: "A increases B" and "B increases with A" say the same.
_VERBS = """
    activate affect beat block benefit cause contain control convey cover defeat determine dominate enable encode
    enhance exceed follow generate guide hinder hurt impede imply include induce influence inhibit lack lower mediate
    offer outperform precede predict prefer prevent produce promote provide raise reduce regulate replace require
    stimulate supervise support suppress surpass target
"""


def problem(
    sentence: str, evidence: Sequence[str], sources: Sequence[Source], embedder: object
) -> str | None:
    """Returns which word puts another thing into a sentence that repeats its evidence, or None.

    Args:
        sentence: the sentence.
        evidence: the sentences of the sources that it rests on.
        sources: the sources cited.
        embedder: the embedding model; without token vectors nothing is found.
    """
    if not isinstance(embedder, TokenEmbedder):
        return None
    texts = [source.paper.abstract[span.start : span.end] for source in sources for span in source.spans]
    quoted = [text for text in texts if any(text in piece for piece in evidence)] or list(evidence)
    foreign = _foreign(sentence, quoted, sources)
    if not foreign:
        return None
    theirs = np.concatenate([embedder.embed_tokens(text).vectors for text in quoted])
    ours = embedder.embed_tokens(sentence)
    odd = []
    for place in foreign:
        word = sentence[place.start : place.end]
        if _nearest(ours, theirs, place) < (_NEAR if embedder.knows(fold(word)) else _NEAR_RARE):
            odd.append(word)
    if not odd:
        return None
    told = ", ".join(f'"{word}"' for word in dict.fromkeys(odd[:_TOLD]))
    return f"The sentence repeats the source but for {told}, which it does not mention; keep its words."


def _foreign(sentence: str, quoted: Sequence[str], sources: Sequence[Source]) -> list[Span]:
    """Returns where a sentence that nearly copies another has a word of its own between words of the other."""
    content = list(_content(sentence))
    roots = [root for _, root in content]
    held = [_stems(text) for text in quoted]
    if not roots or max((sum(root in text for root in roots) for text in held), default=0) < _COPIED * len(
        roots
    ):
        return []
    known = _stems(" ".join(f"{source.paper.title} {source.paper.abstract}" for source in sources))
    new = [
        not _restates(root, sentence[span.start : span.end]) and not _is_known(root, known)
        for span, root in content
    ]
    near = frozenset[str]().union(*held)
    return [
        content[place][0] for place in range(len(new)) if new[place] and _between(place, new, roots, near)
    ]


def _between(place: int, new: Sequence[bool], roots: Sequence[str], held: frozenset[str]) -> bool:
    """Returns whether the words on both sides, other new ones passed over, stand in the evidence."""
    left = next((roots[i] for i in range(place - 1, -1, -1) if not new[i]), None)
    right = next((roots[i] for i in range(place + 1, len(roots)) if not new[i]), None)
    return all(root is None or root in held for root in (left, right))


def _restates(root: str, word: str) -> bool:
    return root in _plain() or word.endswith("ly")


def _content(text: str) -> Iterator[tuple[Span, str]]:
    """Yields where each word that carries content stands, and its stem; numbers are judged elsewhere."""
    for found in _WORD.finditer(text):
        word = _APOSTROPHE.sub("", fold(found[0]))
        if word not in STOPWORDS and not is_number(word):
            yield Span(*found.span()), stem(word)


@lru_cache(maxsize=256)
def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text))


@lru_cache(maxsize=1)
def _plain() -> frozenset[str]:
    return frozenset(stem(word) for word in _PLAIN.split())


def _is_known(root: str, known: frozenset[str]) -> bool:
    return root in known or any(_same_root(root, other) for other in known)


def _same_root(one: str, other: str) -> bool:
    """Returns whether two stems are forms of one word: "unavoid" and "avoid", "metalens" and "metalen"."""
    if min(len(one), len(other)) < _ROOT:
        return False
    return one in other or other in one or one[: _ROOT + 1] == other[: _ROOT + 1]


def _nearest(ours: TokenVectors, theirs: NDArray[np.float32], word: Span) -> float:
    """Returns the mean, over the tokens of a word, of the best cosine with a token of the evidence."""
    first, last = ours.offsets[:, 0], ours.offsets[:, 1]
    own = (last > first) & (first >= word.start) & (last <= word.end)
    return float((ours.vectors[own] @ theirs.T).max(axis=1).mean()) if own.any() else 1.0


# --- who does it to what -----------------------------------------------------------------------------------


class _Deed(NamedTuple):
    """A verb, and the content stems of its clause on the side of the doer and on that of the other."""

    verb: str
    doer: frozenset[str]
    other: frozenset[str]


def exchange(sentence: str, evidence: Sequence[str]) -> str | None:
    """Returns which verb has its subject and its object exchanged against the evidence, or None."""
    ours = _deeds(sentence)
    theirs = [deed for text in evidence for deed in _deeds(text)] if ours else []
    for deed in ours:
        for other in theirs:
            moved = deed.doer & other.other - other.doer - deed.other
            back = deed.other & other.doer - other.other - deed.doer
            if deed.verb == other.verb and moved and back:
                return f'The source has the two sides of "{deed.verb}" the other way round.'
    return None


@lru_cache(maxsize=512)
def _deeds(text: str) -> tuple[_Deed, ...]:
    return tuple(deed for clause in _CLAUSE.split(text) for deed in _clause_deeds(words(clause)))


def _clause_deeds(clause: Sequence[str]) -> Iterator[_Deed]:
    for place, word in enumerate(clause):
        verb = _forms().get(word)
        if verb is None or place == 0:
            continue
        before, behind = _things(clause[:place]), _things(clause[place + 1 :])
        if not word.endswith("ed"):
            yield _Deed(verb, before, behind)
        elif not _BE.isdisjoint(clause[max(0, place - 2) : place]) or "by" in clause[place + 1 : place + 3]:
            if "by" in clause[place + 1 :]:
                yield _Deed(verb, behind, before)
        elif clause[place - 1] not in _BEFORE_PARTICIPLE:
            yield _Deed(verb, before, behind)


@lru_cache(maxsize=1)
def _forms() -> Mapping[str, str]:
    """Returns the verb of each of its finite forms, and of some that do not exist."""
    return {
        form: verb
        for verb in _VERBS.split()
        for form in (verb, f"{verb}s", f"{verb}es", f"{verb}d", f"{verb}ed")
    }


def _things(clause: Sequence[str]) -> frozenset[str]:
    return frozenset(stem(word) for word in clause if word not in STOPWORDS)
