"""What an earlier turn was about: the papers it cited, under the names that a question can use for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from citewell.question import analyse
from citewell.text import STOPWORDS, content_stems, fold, stems
from citewell.types import Answer

# Names of what methods are tried or run on, and not of methods.
SETTING = re.compile(
    r"(?:ImageNet|CIFAR|MNIST|COCO|GLUE|SQuAD|CelebA|Kinetics|LibriSpeech|WikiText|LAION|FFHQ|LSUN|UCF)[\w-]*"
    r"|[CGT]PUs?|FPGAs?|[AHV]100s?|FID|PSNR|SSIM|BLEU|ROUGE|AUROC|NLP|RL|AI|ML|English|Chinese|Atari|\d+x",
    re.IGNORECASE,
)
_HEAD = re.compile(r"([^:]{1,80}):\s")
_JOINT = re.compile(r"\s(?:for|with|via|using|by|through|under|from|towards?|based\s+on|on)\s", re.IGNORECASE)
_DEFINED = re.compile(
    r"(?:what(?:\s+is|\s+are|'s)|define|explain|describe|tell\s+me\s+(?:more\s+)?about)\s+(?:an?\s+)?"
    r"(?P<what>(?P<the>the\s+)?[\w+@.-]+(?:,?\s[\w+@.-]+){0,4}?)[?.!\s]*",
    re.IGNORECASE,
)
_BEFORE_SUBJECT = (
    r"(?:^|\b(?:is|are|was|were|does|do|did|can|could|will|would|about|than|compare|and)"
    r"\s+(?:the\s+|an?\s+)?)"
)
_TITLE_WORDS = 10
_TOPIC_WORDS = 8
_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class Subject:
    """What a turn was about: a name for it, and the ids of the papers behind the name."""

    name: str
    papers: tuple[str, ...]


def subjects_of(turn: Answer) -> list[Subject]:
    """Returns what a turn was about, the likeliest first; several where it compared or listed several."""
    asked = analyse(turn.standalone_question)
    names, titles = own_names(asked.text), _titles(turn)
    named = [Subject(name, _papers_named(name, asked.text, titles)) for name in names]
    known = list({subject.papers: subject for subject in reversed(named) if subject.papers}.values())[::-1]
    if len(known) > 1 or (asked.shape == "comparison" and len(named) > 1):
        return known if len(known) > 1 else named
    main = known[0].papers if known else _main(turn)
    if defined := _defined(asked.text, names):
        return [Subject(defined, main)]
    if known:
        return known
    if turn.abstained or not titles:
        return named or [Subject(f"“{words}”", ()) for words in [topic(asked.text)] if words]
    spoken_of = [name for name in names if _is_subject(name, asked.text)]
    if spoken_of:
        return [Subject(spoken_of[0], main)]
    papers = papers_of(turn)
    return papers if asked.shape == "list" else [paper for paper in papers if paper.papers == main]


def several(history: Sequence[Answer]) -> list[Subject]:
    """Returns the two or more subjects that "both" or "which of them" stands for; none when there is but one."""
    found: dict[str, Subject] = {}
    for turn in reversed(history):
        about = subjects_of(turn)
        if len(about) > 1 and len(found) < 2:
            return about
        for subject in about:
            found.setdefault(fold(subject.name), subject)
        if len(found) == 2:
            return list(found.values())[::-1]
    return []


def papers_of(turn: Answer) -> list[Subject]:
    """Returns the papers a turn cites, or names as the nearest, in order."""
    return [Subject(short_title(title), (paper_id,)) for paper_id, title in _titles(turn).items()]


def numbered_paper(turn: Answer, number: int) -> Subject | None:
    """Returns the paper that stands under a number, from 1, below an answer or a refusal."""
    papers = papers_of(turn)
    ids = {citation.number: citation.paper_id for citation in turn.citations}
    ids = ids or {place: paper.papers[0] for place, paper in enumerate(papers, 1)}
    return next((paper for paper in papers if paper.papers == (ids.get(number),)), None)


def choices(turn: Answer) -> list[Subject]:
    """Returns what a turn sets side by side, for "the second one" to count; none where it is about one thing."""
    about = subjects_of(turn)
    if len(about) > 1:
        return about
    papers = papers_of(turn)
    return papers if len(papers) > 1 and not analyse(turn.standalone_question).names else []


def short_title(title: str) -> str:
    """Returns a paper's name: "FreeNoise" of "FreeNoise: Tuning-Free …", else the head of its title, quoted."""
    title = " ".join(title.split())
    head = _HEAD.match(title)
    if head and " " not in head[1]:
        return head[1][:_NAME_CHARS]
    kept = head[1] if head else title
    if len(kept.split()) > _TITLE_WORDS:
        joint = next((m for m in _JOINT.finditer(kept) if len(kept[: m.start()].split()) > 2), None)
        kept = kept[: joint.start()] if joint else kept
        kept = " ".join(_without_loose_end(kept.split()[:_TITLE_WORDS]))
    return f"“{kept.rstrip(' .?!,')[:_NAME_CHARS]}”"


def topic(question: str) -> str:
    """Returns the words of a question that carry content, in order."""
    kept = [word for word in re.findall(r"[^\s?!,;:()“”\"]+", question) if fold(word) not in STOPWORDS]
    return " ".join(kept[:_TOPIC_WORDS])[:_NAME_CHARS]


def words_for(text: str) -> list[str]:
    """Returns the stems of the content words of a text, without what methods are tried or run on."""
    return content_stems(" ".join(word for word in text.split() if not SETTING.fullmatch(word.strip("?,.!"))))


def own_names(text: str) -> list[str]:
    """Returns the names in a text that could be of a method or a paper."""
    return [name for name in analyse(text).names if not SETTING.fullmatch(name)]


def joined(subjects: Iterable[Subject], most: int = 4) -> str:
    """Returns the names as English lists them: "A, B and C"; not more than `most`."""
    names = [subject.name for subject in subjects][:most]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _titles(turn: Answer) -> dict[str, str]:
    cited = {citation.paper_id: citation.title for citation in turn.citations}
    nearest = turn.abstention.nearest if turn.abstention else ()
    return cited or {result.paper_id: result.title for result in nearest}


def _papers_named(name: str, question: str, titles: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the one paper that a name in a question is of, if there is one."""
    exact = [key for key, title in titles.items() if fold(short_title(title)) == fold(name)]
    coined = " " in name or (
        any(char.isupper() or char.isdigit() for char in name[1:]) and not name.isupper()
    )
    if not exact and not coined:
        exact = [key for key, title in titles.items() if title.startswith(name)]
    elif not exact:
        exact = [key for key, title in titles.items() if set(stems(name)) <= set(stems(title))]
    return tuple(exact) if len(exact) == 1 else ()


def _defined(question: str, names: Sequence[str]) -> str | None:
    """Returns X of "What is X?" where X is nothing but a name or a term."""
    match = _DEFINED.fullmatch(question)
    if match is None or fold(match["what"].split()[-1]) in STOPWORDS:
        return None
    is_name = not names or match["what"].removeprefix(match["the"] or "").startswith(names[0])
    return match["what"] if is_name else None


def _is_subject(name: str, question: str) -> bool:
    return bool(re.search(_BEFORE_SUBJECT + re.escape(name) + r"(?!\w)", question, re.IGNORECASE))


def _main(turn: Answer) -> tuple[str, ...]:
    counted = Counter(citation.paper_id for citation in turn.citations)
    return tuple(paper_id for paper_id, _ in counted.most_common(1))


def _without_loose_end(title_words: list[str]) -> list[str]:
    while len(title_words) > 1 and fold(title_words[-1]) in STOPWORDS:
        title_words = title_words[:-1]
    return title_words
