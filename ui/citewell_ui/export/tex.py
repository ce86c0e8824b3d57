"""Text as TeX: its special characters escaped, its formulas kept where nothing but mathematics is in them."""

from __future__ import annotations

import re
from functools import lru_cache

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexencode import (
    RULE_DICT,
    RULE_REGEX,
    UnicodeToLatexConversionRule,
    UnicodeToLatexEncoder,
    get_builtin_uni2latex_dict,
)

# As Pandoc reads dollars, so that "$5 or $10" is no formula. https://pandoc.org/MANUAL.html#math
_FORMULA = re.compile(r"(?<!\\)\$(?![\s$])([^$]*[^\s$\\])\$(?!\d)|\\\((.+?)\\\)")
_MACRO = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
# Accents such as \"o, {\"o} and \v{s}, letters such as {\l}, and escapes such as \&, which titles often hold.
_LETTER = r"""\\["'`^~=.]\s*(?:\{\\?[A-Za-z]\}|\\[ij](?![A-Za-z])|[A-Za-z])|\\[cvuHkrdb]\s*\{[A-Za-z]\}"""
_NOTATION = re.compile(rf"\{{(?:{_LETTER}|\\(?:l|L|o|O|ss|ae|AE|oe|OE|aa|AA|i|j))\}}|{_LETTER}|\\[&%_$#]")
_SAFE = frozenset(
    "arccos arcsin arctan arg ast bar big Big bigg Bigg bigl bigr bf binom boldsymbol cal cdots cfrac check "
    "colon cos cosh cot ddot deg det dfrac dim displaystyle div dot dots downarrow emptyset exp frac gcd ge "
    "gets hat hom iff implies inf ker land langle lbrace lceil ldots le left leftarrow lfloor lg lim "
    "liminf limits limsup ln lnot log lor lvert lVert mathbb mathbf mathcal mathfrak mathit mathrm "
    "mathscr mathsf mathtt max mbox mid min mod ne neg operatorname overline overset pmod Pr prime qquad quad "
    "rangle rbrace rceil rfloor right rm rightarrow rvert rVert sec setminus sin sinh sqrt sup tan tanh text "
    "textbf textit textrm textstyle tfrac tilde to underline underset uparrow varepsilon vec vert widehat "
    "widetilde".split()
) | frozenset(",;:!| ")
_UNSAFE = frozenset({"hspace", "kern", "mathchar"})  # they are in pylatexenc's table of characters
_LETTERS_KEPT = r"[\u0400-\u052f]+"  # TeX prints these in UTF-8; the macros for them need fonts seldom loaded


def to_unicode(text: str) -> str:
    r"""Returns the text with TeX's accents and escapes as characters: `\"o` is `ö`."""
    return _NOTATION.sub(lambda found: _decoder().latex_to_text(found[0]), text)


def to_tex(text: str) -> str:
    """Returns TeX that prints the text; its braces balance, and nothing but text and mathematics is in it."""
    parts, end = [], 0
    for found in _FORMULA.finditer(text):
        formula = found[1] or found[2]
        if _is_mathematics(formula):
            parts += [_plain(text[end : found.start()]), f"${_in_formula().unicode_to_latex(formula)}$"]
            end = found.end()
    return "".join([*parts, _plain(text[end:])])


def _plain(text: str) -> str:
    encoded: str = _in_text().unicode_to_latex(to_unicode(text))
    return encoded


def _is_mathematics(formula: str) -> bool:
    """Returns whether a formula is made of known macros, so that it cannot read files, define or end anything."""
    without = _MACRO.sub("", formula)
    return (
        all(macro in _macros() for macro in _MACRO.findall(formula))
        and not re.search(r"[%#&$\\]|\^\^", without)
        and _balances(without)
    )


def _balances(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


@lru_cache(maxsize=1)
def _macros() -> frozenset[str]:
    """Returns the macros of a formula that only print something: those of characters, and the common others."""
    known = get_builtin_uni2latex_dict().values()
    found = {macro for tex in known for macro in _MACRO.findall(tex) if len(macro) > 1}
    return _SAFE | found - _UNSAFE


@lru_cache(maxsize=1)
def _decoder() -> LatexNodes2Text:
    return LatexNodes2Text()


@lru_cache(maxsize=1)
def _in_text() -> UnicodeToLatexEncoder:
    # BibTeX counts braces even where they are escaped, and so they may not stand in a text at all.
    braces = {ord("{"): r"\textbraceleft", ord("}"): r"\textbraceright"}
    rules = [
        UnicodeToLatexConversionRule(RULE_DICT, braces),
        UnicodeToLatexConversionRule(RULE_REGEX, [(re.compile(_LETTERS_KEPT), r"\g<0>")]),
        "defaults",
    ]
    return UnicodeToLatexEncoder(
        conversion_rules=rules, replacement_latex_protection="braces-almost-all", unknown_char_warning=False
    )


@lru_cache(maxsize=1)
def _in_formula() -> UnicodeToLatexEncoder:
    return UnicodeToLatexEncoder(non_ascii_only=True, unknown_char_warning=False)
