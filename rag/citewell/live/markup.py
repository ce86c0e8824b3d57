"""XML that others wrote: Atom as a tree, abstracts in JATS as plain text.

A document that declares a type is refused unread. Neither format has one, and entities, which could stand for
gigabytes or for files of this machine, cannot be declared without it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from .faults import Trouble

_LABELS = {"abstract", "summary"}
_BLOCKS = {"p", "title", "sec", "list", "list-item", "disp-formula", "br", "break"}
_EMPTY = {"br", "break"}
_TAG = re.compile(r"<(?P<closing>/?)(?P<name>[A-Za-z][\w:.-]*)(?:\s[^<>]*?)?(?P<empty>/?)>")
_DEEPEST = 50  # elements within elements; an abstract needs ten
_DOCUMENT = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)
_EXPONENT = re.compile(r"[+\-\u2212]?\d")


def read_xml(body: bytes) -> Element:
    """Returns the root element; names are written `{namespace}name`.

    Raises:
        Trouble: it is no XML, was cut off, or declares a document type.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    builder = TreeBuilder()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, attributes: builder.start(_name(name), _names(attributes))
    parser.EndElementHandler = lambda name: builder.end(_name(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
        root = builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise Trouble(f"answered with broken XML ({error})") from error
    return root


def _refuse(*_: object) -> None:
    raise Trouble("answered with a document that declares a type, such as a web page, instead of a feed")


def _name(name: str) -> str:
    return "{" + name if "}" in name else name


def _names(attributes: dict[str, str]) -> dict[str, str]:
    return {_name(name): value for name, value in attributes.items()}


def plain_text(jats: str) -> str:
    """Returns the text of an abstract in JATS: paragraphs on lines of their own, entities resolved once.

    Section titles stand before their text with a colon, the label "Abstract" goes, a formula that is given in
    several forms keeps its TeX. Exponents keep a caret, for `10<sup>3</sup>` is not 103. Markup that is not
    well-formed is read as far as it makes sense. See https://jats.nlm.nih.gov.
    """
    jats = _replaced(jats, "<![CDATA[", "]]>", partial(html.escape, quote=False))
    jats = _replaced(_replaced(jats, "<!--", "-->"), "<?", "?>")
    reader = _Jats()
    end = 0
    for tag in _TAG.finditer(jats):
        reader.take(html.unescape(jats[end : tag.start()]))
        end = tag.end()
        name = tag["name"].rpartition(":")[2].lower()
        if not tag["closing"]:
            reader.open(name)
        if tag["closing"] or tag["empty"] or name in _EMPTY:
            reader.close(name)
    reader.take(html.unescape(jats[end:]))
    return reader.text()


class _Jats:
    """Collects the lines of an abstract from its elements and texts, in their order."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = [[]]
        self._open: list[str] = []
        self._forms: list[tuple[bool, str]] = []  # of the formula at hand: whether in TeX, and the text
        self._titled = False  # the line holds a title, and waits for its text

    def open(self, name: str) -> None:
        """Takes the start of an element."""
        if name in _BLOCKS and not self._titled:
            self._lines.append([])
        if len(self._open) < _DEEPEST:
            self._open.append(name)

    def close(self, name: str) -> None:
        """Takes the end of an element, and of all that was left open within it."""
        if name not in self._open:
            return
        while self._open.pop() != name:
            pass
        if name == "alternatives":
            self._end_formula()
        elif name == "title":
            self._end_title()
        elif name in _BLOCKS and not self._titled:
            self._lines.append([])

    def take(self, text: str) -> None:
        """Takes text."""
        if "alternatives" in self._open:
            self._forms.append(("tex-math" in self._open, text))
            return
        if "sup" in self._open[-1:] and _EXPONENT.match(text):
            text = f"^{text}"
        self._titled = self._titled and not text.strip()
        self._lines[-1].append(_bare(text) if "tex-math" in self._open else text)

    def text(self) -> str:
        """Returns what was read."""
        self._end_formula()
        lines = (" ".join("".join(line).split()) for line in self._lines)
        return "\n".join(line for line in lines if line and line.rstrip(":.").casefold() not in _LABELS)

    def _end_formula(self) -> None:
        tex = "".join(text for in_tex, text in self._forms if in_tex)
        other = "".join(text for _, text in self._forms)
        self._forms = []
        self._lines[-1].append(_bare(tex) or other)

    def _end_title(self) -> None:
        title = " ".join("".join(self._lines[-1]).split()).rstrip(":.")
        self._titled = bool(title) and title.casefold() not in _LABELS
        self._lines[-1] = [f"{title}: "] if self._titled else []


def _replaced(text: str, start: str, end: str, kept: Callable[[str], str] = lambda inside: "") -> str:
    """Returns the text with `kept(inside)` in place of all that stands between two marks.

    A pattern that runs from mark to mark would take quadratic time where no end ever comes.
    """
    first, *parts = text.split(start)
    found = [first]
    for part in parts:
        inside, closed, rest = part.partition(end)
        found.append(kept(inside) + rest if closed else start + part)
    return "".join(found)


def _bare(tex: str) -> str:
    """Returns a formula without the whole LaTeX document that some publishers wrap it in."""
    found = _DOCUMENT.search(tex)
    return found[1] if found else tex
