r"""The form of a text in which words are looked up. Quotes are never taken from it.

Listing pages lose backslashes and dollar signs: `$\ell_\infty$` is printed as "ell_infty" and `$25\times$` as
"25times". TeX, its printed remains and the Unicode character all come to the same words here, so that
a question finds a paper whichever of them either uses.
"""

from __future__ import annotations

import re
import unicodedata

# Zero-width and bidirectional controls, soft hyphens, variation selectors and tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_UNSTORABLE = re.compile("[\\x00-\\x08\\x0e-\\x1f\\x7f-\\x9f\ud800-\udfff]")
# Chinese and Japanese do not mark words; single characters are what can be matched.
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_GREEK = re.compile(
    "(?<![\u0370-\u03ff\u1f00-\u1fff])[\u0391-\u03a9\u03b1-\u03c9\u03d5\u03f5](?![\u0370-\u03ff\u1f00-\u1fff])"
)
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2248\u223c\u2243\u223d", "~"),
        "\u2264": "<=",
        "\u2265": ">=",
        "\u2044": "/",
        "\u221e": " infinity ",
        "\u221a": " sqrt ",
    }
)

_COMBINING = dict(
    zip(
        "`'^\"~=.uvHcdbrk",
        "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u030a\u0328",
        strict=True,
    )
)
_TEX_LETTERS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "i": "i", "j": "j",
}  # fmt: skip
_TEX_LETTER = re.compile(r"\{?\\(ss|ae|AE|oe|OE|aa|AA|[oOlLij])(?![A-Za-z])(?:\{\}|\}|[ \t])?")
_TEX_ACCENT = re.compile(
    r"\{?\\(?:([`'^\"~=.])|([uvHcdbrk])(?=[{ ]))(?:\{|(?<=[uvHcdbrk]) )?(?:\\(?=[ij]))?([A-Za-z])\}?"
)
_TEX_STYLE = re.compile(
    r"\\(?:text(?:it|bf|tt|sc|rm|sf|sl|up|md)?|emph|underline|mbox|math[a-z]+|operatorname\*?)\s*\{"
)
_TEX_ESCAPED = re.compile(r"\\([%&_#$])")
_TEX_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")

# Each rule runs only where its first word occurs, which is what makes the whole fast.
_RULES: tuple[tuple[str, str, str], ...] = (
    ("math", r"math(?:cal|bb|bf|rm|frak|scr|sf|it)(?![a-z]{2})", " "),
    ("boldsymbol", r"boldsymbol", " "),
    ("wide", r"wide(?:tilde|hat)", " "),
    ("overline", r"overline(?=[ {])", " "),
    ("operatorname", r"operatorname", " "),
    ("style", r"(?:display|script|text)style(?![a-z])", " "),
    ("{", r"\{ ?(?:bf|rm|em|it|sf|tt|cal)\b", " "),
    ("frac{", r"frac\{", " "),
    ("epsilon", r"(?:var|(?<=[A-Za-z]))epsilon", " epsilon"),
    ("varphi", r"varphi", " phi"),
    ("vartheta", r"vartheta", " theta"),
    ("ell", r"(?<![A-Za-z])ell(?:_\{?([0-9pqrs])\}?)?(?![A-Za-z])", r"l\1"),
    ("infty", r"infty", " infinity "),
    ("leq", r"(?<![A-Za-z])leq(?![A-Za-z])", " <= "),
    ("geq", r"(?<![A-Za-z])geq(?![A-Za-z])", " >= "),
    ("cdot", r"cdots?(?![a-z])", " "),
    ("\u00d7", "\u00d7", "times"),
    ("times", r"(?<=\d) ?times(?= ?\d)", "x"),
    ("times", r"(?<=\d) ?times(?![A-Za-z])", "x"),
    ("times", r"(?<![A-Za-z])times ?(\d+(?:[.,]\d+)*)", r"\1x"),
    ("times", r"(?<![A-Za-z])([A-Za-z])times(?![a-z]{2})", r"\1 x "),
    (" x ", r"(?<=\d) x (?=\d)", "x"),
    ("x ", r"(?<=\dx) (?=\d)", ""),
    ("_", r"(?<=[A-Za-z])_\{?(\d+(?:\.\d+)?)\}?", r"\1"),
    ("_", r"_", " "),
    ("^", r"(?<=[A-Za-z])\^\{?(\d+)(?:\}|(?![\d.]))", r"\1"),
    ("~", r"(?<=\w)~(?=[A-Za-z])", " "),
    ("$", r"\$([^$\n]{1,300})\$", r" \1 "),
    ("{", r"\{", " "),
    ("}", r"\}", " "),
    ("sim", r"(?<![A-Za-z])sim ?(?=[\d.])", "~"),
    ("``", r"``", '"'),
    ("alpha", r"(?<=[0-9A-Z])alpha(?![a-z])", " alpha"),
    ("beta", r"(?<=[0-9A-Z])beta(?![a-z])", " beta"),
    ("gamma", r"(?<=[0-9A-Z])gamma(?![a-z])", " gamma"),
    ("kappa", r"(?<=[0-9A-Z])kappa(?![a-z])", " kappa"),
)
_COMPILED = tuple((needle, re.compile(pattern), replacement) for needle, pattern, replacement in _RULES)


def search_form(text: str) -> str:
    """The words of a text for the index and the query; a pure function that accepts any string.

    LaTeX accents and Greek letters, ligatures and widths come to one spelling, markup and invisible
    characters go, numbers with "times" read as "25x", sub- and superscript digits join their letter
    ("ell_2" → "l2"), white space is folded, Chinese and Japanese characters stand apart.
    """
    if not text.isascii():
        text = _unicode_form(text)
    text = _UNSTORABLE.sub(" ", text)
    if "\\" in text:
        text = _without_tex(text)
    for needle, pattern, replacement in _COMPILED:
        if needle in text:
            text = pattern.sub(replacement, text)
    return " ".join(text.split())


def _unicode_form(text: str) -> str:
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_PLAIN)
    text = _INVISIBLE.sub("", text)
    text = _GREEK.sub(_greek_name, text)
    return _CJK.sub(r" \g<0> ", text)


def _greek_name(match: re.Match[str]) -> str:
    name = unicodedata.name(match[0], "").replace("LAMDA", "LAMBDA").split()
    if len(name) < 4:
        return match[0]
    word = "sigma" if "FINAL" in name else name[-2 if "SYMBOL" in name else -1].lower()
    before = match.string[match.start() - 1 : match.start()]
    return f"{' ' if before.isalnum() else ''}{word.capitalize() if match[0].isupper() else word}"


def _without_tex(text: str) -> str:
    text = _TEX_ACCENT.sub(_accented, text)
    text = _TEX_LETTER.sub(lambda match: _TEX_LETTERS[match[1]], text)
    text = _TEX_STYLE.sub("", text)
    text = _TEX_ESCAPED.sub(r"\1", text)
    return _TEX_COMMAND.sub(r" \1", text).replace("\\", " ")


def _accented(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[3] + _COMBINING[match[1] or match[2]])
