"""Markup and instructions: nothing that a model wrote may be followed, rendered or obeyed.

A sentence of an answer is plain prose. Harmless decoration is taken off; links, images, HTML, code, invisible
characters and text that addresses the reader reject the sentence. References are built from our own metadata.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from citewell.prompts import load_prompt
from citewell.text import words


class Fault(NamedTuple):
    """Why a sentence may not be shown, as a check and a reason to repair it from."""

    check: Literal["markup", "instruction"]
    reason: str


_DECORATION = (
    (re.compile(r"^\s*(?:#{1,6}|[-*+\u2022]|\d{1,2}[.)])\s+(?=\S)"), ""),
    (
        re.compile(
            r"(?<![^\s(\[\"'])(\*\*\*|\*\*|__|\*|_)(?=\w)([^*_]+)(?<=[\w.!?)%])\1(?![^\s.,;:!?)\]\"'])"
        ),
        r"\2",
    ),
    (re.compile(r"(?<![^\s(\[])`([^`'\n]+)`(?![^\s.,;:!?)\]])"), r"\1"),
)

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_SOFT = dict.fromkeys(map(ord, "\u00ad\ufe0e\ufe0f"))
# Letters and marks by category, but nothing to see.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# A dot that Unicode offers in place of the one in a host name.
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61\u2024\u00b7", "."))
_BRACKETED_DOT = re.compile(r"(?<=\w)\s?[\[({]\s?\.\s?[\])}]\s?(?=\w)")
_TLD = (
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|mobi|xyz|top|site|online|shop|store|club|live|life|world|link|click"
    "|blog|page|pages|dev|app|tech|cloud|space|website|agency|email|news|media|zone|icu|ly|gl|gg|tv|fm|cc|ws|sh|ai|io|co"
    "|me|uk|de|fr|it|es|nl|be|ch|at|se|dk|fi|pl|cz|ru|ua|tr|gr|pt|ie|il|ir|in|cn|jp|kr|tw|hk|sg|th|vn|id|ph|my|au|nz|ca"
    "|us|mx|br|ar|cl|za|ng|ke|eg|ma|tk|ml|ga|cf|gq|su|eu|onion|test|example|localhost|invalid|local"
)
_LINKS = (
    re.compile(r"(?i)(?<![a-z])(?:[a-z][a-z0-9+.-]{1,20}|hxxps?)\s?:\s?//|(?<![:/\w])//\w[\w-]*\."),
    re.compile(r"(?i)(?<!\w)(?:javascript|vbscript|mailto|tel|sms|file|about|blob|magnet):\s?\S"),
    re.compile(r"(?i)(?<!\w)data:\s?[a-z]*/?[\w.+-]*[;,]"),
    re.compile(r"(?i)(?<!\w)www\d?\s?\."),
    re.compile(rf"(?<![\w@])(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]{{2,}}\.(?:{_TLD})(?![\w-])"),
    re.compile(r"(?i)(?<![\w])(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,20}(?::\d+)?/\S"),
    re.compile(
        r"(?i)\w(?:\[\.\]|\(\.\)|\{\.\}|\s?[\[(]\s?dot\s?[\])]\s?|\sdot\s)(?:com|org|net|io|ai|xyz|ru|cn)\b"
    ),
    re.compile(r"[\w.+-]\s?@\s?[\w-]{1,63}\.[A-Za-z]{2,}|(?i:\w\s?[\[(]\s?at\s?[\])]\s?\w)"),
    re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])(?=[:/])"),
)
_MARKDOWN = (
    re.compile(r"!\["),
    re.compile(r"\]\s?\(\s*[<#/.\w][^)\s]*\s*(?:[\"'(][^)]*)?\)"),
    re.compile(r"\[(?=[^\]\n]{0,200}[A-Za-z])[^\[\]\n]{1,200}\]\s?\[[^\[\]\n]{0,100}\]"),
    re.compile(r"(?m)^\s*\[[^\]\n]+\]:"),
    re.compile(r"\[\^"),
    re.compile(r"```|`\.``|~~~|<\||\|>|#{2,}\s|={5,}|\|\s*:?-{3,}"),
    re.compile(r"\[[A-Za-z](?:[^\[\]\n]{0,200}\]\s*$|[A-Za-z -]{1,40}\]\s*[.!?]\s*$)"),
    re.compile(r"(?m)^\s*(?:>\s|\|.*\|\s*$|(?:[-*_]\s?){3,}$)"),
    re.compile(r"\\(?:href|url|html\w*|includegraphics|input|include|write|def|newcommand)\b"),
)
_TAGS = (
    "abbr|address|applet|area|article|aside|audio|base|blockquote|body|br|button|canvas|center|code|details|dialog|div"
    "|embed|fieldset|font|footer|form|frame|frameset|head|header|hr|html|iframe|img|image|input|ins|kbd|label|legend|link"
    "|main|marquee|math|meta|nav|noscript|object|option|picture|pre|script|section|select|slot|small|source|span|strong"
    "|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|ul|ol|li|video|xml"
)
_JSON = re.compile(r"[\"\u201d]\s?:\s?[\[{\"\u201c]|\{[\s.\u00b7]*[\"\u201c]")
_HTML = (
    re.compile(rf"(?i)<\s*/?\s*(?:{_TAGS})(?=[\s/>]|$)"),
    re.compile(r"(?i)<\s*/?\s*(?:a|b|i|u|s|p|q|h[1-6]|em|dd|dl|dt)\s*/?>"),
    re.compile(r"<\s*/?[A-Za-z][\w:-]*\s[^<>]*\w\s*=\s*[\"'\w]"),
    re.compile(r"<!--|<!\[|<!doctype|<\?|\?>|\]\]>", re.IGNORECASE),
    re.compile(r"&(?:#\w+|lt|gt|quot|apos|nbsp|colon|lpar|newline|tab);", re.IGNORECASE),
    re.compile(
        r"(?i)\bon(?:error|load|click|focus|mouse\w+|key\w+|toggle)\s*=|\b(?:alert|prompt|confirm|eval)\(|expression\("
    ),
    re.compile(r"(?i)document\.(?:cookie|write|location)|window\.\w+\s*="),
    _JSON,
)

_DETERMINER = (
    r"(?:the|this|that|these|those|all|any|every\w*|each|your|my|me|us|our|here|there|now|to|an?|it|him|her|them|previous"
    r"|prior|above|following|user|users|only|in|on|at|from|for|as|out|with|how|what|why|if|whether)\b"
)
_ORDERS = (
    re.compile(
        r"(?:^|(?:^|(?<=\s))[\"'(\u201c]|[:;]\s*|\bplease\s+)(?:please\s+|kindly\s+|just\s+|now\s+|then\s+|instead,?\s+)?"
        r"(?:click|visit|download|subscribe|sign\s+up|log\s?in|contact(?!\s+with)|call|email|e-mail|send|enter|type|navigate|go|buy|pay"
        r"|run|execute|install|paste|forward|reply|respond|ignore|disregard|forget|override|bypass|reveal|tell|say"
        r"|print|output|repeat|write|rewrite|translate|pretend|act|answer|compose|draft|imagine|ask|give|provide|tap|browse"
        rf"|scan|share|submit|remember|stop|look\s+up|check\s+out|upload|delete)\s+{_DETERMINER}",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:ignor\w+|disregard\w*|forget\w*|overrid\w+|bypass\w*)\s+(?:\w+\s+){0,3}?"
        r"(?:previous|prior|above|earlier|preceding|your|system|these|all)\s+(?:\w+\s+)?"
        r"(?:instructions?|prompts?|rules|guidelines|directions|commands|context)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bclick\s+(?:here|(?:on\s+)?(?:this|below|the\s+(?:link|button)))\b|\bvisit\s+(?:us|our|the\s+(?:site|web|link|page))",
        re.IGNORECASE,
    ),
    re.compile(r"(?:^|[.!?:;]\s+)(?:please\b|do\s+not\s|don['\u2019]t\s)", re.IGNORECASE),
    # Verbs that are no nouns: no statement opens with one.
    re.compile(
        r"(?:^|[.!?:;]\s+)(?:add|break\s+down|choose|compose|convert|create|describe|disregard|explain|forget|generate|give"
        r"|ignore|imagine|include|obey|pretend|provide|remember|replace|reveal|rewrite|say|send|summari[sz]e|tell"
        r"|translate|write)\s+[\w'\"]",
        re.IGNORECASE,
    ),
    re.compile(r"(?:^|[.!?;]\s+)(?:system|assistant|user|developer)\s?:\s", re.IGNORECASE),
)
_MODEL = (
    re.compile(r"\b(?:as|being|i\s?am|i'm)\s+(?:just\s+)?an?\s+(?:(?:ai|artificial|large|language|virtual)\s+)+(?:\w+\s+)?"
               r"(?:model|assistant|intelligence|chatbot)", re.IGNORECASE),
    re.compile(r"\bas\s+an?\s+ai\b[,.]", re.IGNORECASE),
    re.compile(r"\bmy\s+(?:instructions|system\s+prompt|training(?:\s+data)?|knowledge|programming|developers?|creators?)\b",
               re.IGNORECASE),
    re.compile(r"\bI(?:'|\u2019)(?:m|ll|ve|d)\b"),
    re.compile(r"(?:^|[.,;:!?\u2014(\"\u201c]\s*|\b(?:that|and|but|so|because|as|if|which|what|when|while|here|how|where|do"
               r"|can|may|should|whether|than)\s+)I\s+[a-z]"),
    re.compile(r"^(?:sorry|sure|certainly|of\s+course|absolutely|hello|hi|okay|ok|great\s+question)\b\s*[,!.:]",
               re.IGNORECASE),
    re.compile(r"^\W*(?:the|my|your)\s+(?:\w+\s+)?answer\s+(?:is|to)\b", re.IGNORECASE),
    re.compile(r"\blet\s+me\s+(?:know|explain|help)\b", re.IGNORECASE),
)  # fmt: skip
# What a paper does not say to its readers, but a poisoned abstract says to a model or a browser.
_FORGED = (
    *_ORDERS, *_MODEL[:2], *_HTML[:2], _JSON,
    re.compile(r"!\[|\]\s?\(\s*<?(?:\w+:|//|www\.)"),
    re.compile(r"<\||\|>|\[/?INST\]|<</?SYS>>|={5,}|[\x1b\U000e0000-\U000e007f]"),
    re.compile(r"<\W?/?(?:system|sources?|documents?)>", re.IGNORECASE),
)  # fmt: skip
_QUESTION = re.compile(r"\?[\"'\u201d\u2019)\s]*$")
_READER = re.compile(
    r"\b(?:you|your|yours|yourself|you're|you'll|you've)\b(?!\s+(?:only|see|tube)\b)", re.IGNORECASE
)
# A paper may be about these; a sentence may speak of them where the cited abstract does.
_TOPICS = re.compile(
    r"\bsystem\s+prompts?\b|\b(?:previous|prior|above|earlier|original|hidden|developer)\s+(?:instructions?|prompts?)\b"
    r"|\bjailbr(?:eak|oken)\w*|\b(?:developer|dan|god)\s+mode\b|\bpwned\b|\bhaha\b",
    re.IGNORECASE,
)

_PROMPTS = ("answer", "repair")
_TOLD_WORDS = 6  # so many words of a prompt in a row are no accident


def clean(text: str) -> str:
    """Returns the text without bullets, emphasis, single backticks, soft hyphens; its white space folded."""
    text = " ".join(text.translate(_SOFT).split())
    for pattern, replacement in _DECORATION:
        text = pattern.sub(replacement, text)
    return text.strip()


def problem(text: str, abstracts: Sequence[str] = ()) -> Fault | None:
    """Returns what forbids showing a sentence, or None.

    Args:
        text: the sentence, cleaned.
        abstracts: the abstracts it cites; only of what they speak it may speak of prompts and instructions.
    """
    for char in text:
        if unicodedata.category(char) in _UNSEEN or _BLANK.match(char):
            return Fault(
                "markup", f"The sentence holds the invisible character U+{ord(char):04X}; leave it out."
            )
    shown = _BRACKETED_DOT.sub(".", unicodedata.normalize("NFKC", text).translate(_DOTS))
    for kind, patterns in (
        ("a link or an address", _LINKS),
        ("Markdown", _MARKDOWN),
        ("HTML or code", _HTML),
    ):
        for pattern in patterns:
            if (match := pattern.search(shown)) is not None:
                return Fault(
                    "markup", f"The sentence holds {kind} ({_shortened(match[0])}); write plain prose."
                )
    return _instruction(shown, abstracts)


def order(evidence: Sequence[str]) -> str | None:
    """Returns why sentences that a quote is taken from support nothing, or None: what gives orders states no fact."""
    for text in evidence:
        for pattern in _FORGED:
            if (match := pattern.search(" ".join(text.split()))) is not None:
                return f"The quote stands in an order or in code ({_shortened(match[0])}), which supports nothing."
    return None


def _instruction(text: str, abstracts: Sequence[str]) -> Fault | None:
    for pattern in _ORDERS:
        if (match := pattern.search(text)) is not None:
            return Fault(
                "instruction", f"The sentence gives an order ({_shortened(match[0])}); state a fact."
            )
    if _QUESTION.search(text) is not None:
        return Fault("instruction", "The sentence asks a question; state a fact.")
    for pattern in _MODEL:
        if (match := pattern.search(text)) is not None:
            return Fault(
                "instruction", f"The sentence speaks of its writer ({_shortened(match[0])}); state a fact."
            )
    if (match := _READER.search(text)) is not None:
        return Fault(
            "instruction", f"The sentence addresses the reader ({_shortened(match[0])}); state a fact."
        )
    for match in _TOPICS.finditer(text):
        if not any(match[0].casefold() in abstract.casefold() for abstract in abstracts):
            return Fault("instruction", f"The sentence speaks of instructions ({_shortened(match[0])}).")
    told = _told().intersection(_runs(text)).difference(*map(_runs, abstracts))
    if told:
        return Fault("instruction", f"The sentence repeats what you were told ({min(told)}); state a fact.")
    return None


@lru_cache(maxsize=1)
def _told() -> frozenset[str]:
    """Returns the runs of words of what a model is told."""
    return frozenset(run for name in _PROMPTS for run in _runs(load_prompt(name).system.template))


def _runs(text: str) -> Iterator[str]:
    found = words(text)
    return (" ".join(found[at : at + _TOLD_WORDS]) for at in range(len(found) - _TOLD_WORDS + 1))


def _shortened(text: str) -> str:
    text = " ".join(text.split()).strip(" :;\"'(")
    return text if len(text) <= 40 else text[:39] + "\u2026"
