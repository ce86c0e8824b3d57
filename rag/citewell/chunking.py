"""Sentence-aligned chunks of an abstract, as character ranges.

A chunk is a sentence, so that what is retrieved is what can be quoted. Sentence boundaries come from
sentencex; pieces too short to say anything join their neighbour, and pieces longer than the token limit
(tiktoken's cl100k_base) are cut at a clause or at white space.
"""

from __future__ import annotations

import importlib.util
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from citewell.types import Span

if TYPE_CHECKING:
    import tiktoken

CHUNKER_VERSION = "sentence-2"
_MIN_WORDS = 3
_LIST_MARKER = re.compile(r"\(?(?:[0-9]{1,3}|[ivx]{1,4})[.)]")
_LIST_MARKERS = re.compile(r"\s*(?:\(?[0-9ivx]{1,4}[.)]\s+)+")
_IDEOGRAPHIC_STOP = re.compile(r"(?<=[。！？])")
_BREAKS = (re.compile(r"[;:]\s"), re.compile(r",\s"), re.compile(r"\s"))


@lru_cache(maxsize=1)
def encoding() -> tiktoken.Encoding:
    """Returns tiktoken's cl100k_base, read from the copy that llama_index ships: never from a network."""
    spec = importlib.util.find_spec("llama_index.core")
    if spec is not None and spec.submodule_search_locations:
        cache = Path(next(iter(spec.submodule_search_locations))) / "_static" / "tiktoken_cache"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(cache))
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")


def count_tokens(text: str) -> int:
    """Returns the number of cl100k_base tokens of the text."""
    return len(encoding().encode_ordinary(text))


def sentence_spans(text: str) -> list[Span]:
    """Returns the ranges of the sentences of the text, ascending, without surrounding white space."""
    spans: list[Span] = []
    for start, end in _raw_boundaries(text):
        span = _trim(text, start, end)
        if span.start == span.end:
            continue
        piece = text[span.start : span.end]
        before = text[spans[-1].start : spans[-1].end] if spans else ""
        if _LIST_MARKER.fullmatch(before) or (len(spans) == 1 and _too_short(before)):
            spans[-1] = Span(spans[-1].start, span.end)
        # "et. al" and the like: a sentence does not open with a small letter.
        elif spans and not _LIST_MARKER.fullmatch(piece) and (_too_short(piece) or piece[0].islower()):
            spans[-1] = Span(spans[-1].start, span.end)
        else:
            spans.append(span)
    if len(spans) > 1 and _LIST_MARKER.fullmatch(text, *spans[-1]):
        spans[-2:] = [Span(spans[-2].start, spans[-1].end)]
    return spans


def chunk_spans(text: str, max_tokens: int) -> list[Span]:
    """Returns the chunks of the text: its sentences, cut where one exceeds `max_tokens`."""
    return [part for span in sentence_spans(text) for part in _fit(text, span, max_tokens)]


def _raw_boundaries(text: str) -> list[tuple[int, int]]:
    import sentencex

    # Half surrogate pairs are no text to sentencex; the length stays the same.
    text = text.encode("utf-8", "replace").decode()
    found: list[tuple[int, int]] = []
    pending = [(0, 0, len(text))]  # where the first piece begins, where to look from, and up to where
    while pending:
        first, look, end = pending.pop()
        for boundary in sentencex.get_sentence_boundaries("en", text[look:end]):
            start, stop = look + boundary["start_index"], look + boundary["end_index"]
            marker = _LIST_MARKERS.match(text, start, stop)
            if marker and marker.end() < stop:
                # sentencex never splits a piece that opens with a list marker: look behind the marker.
                pending.append((first, marker.end(), stop))
            else:
                found.extend(_split_ideographic(text, first, stop))
            first = stop
    return sorted(found)


def _split_ideographic(text: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts = [
        start,
        *(m.start() for m in _IDEOGRAPHIC_STOP.finditer(text, start, end) if m.start() > start),
        end,
    ]
    return [(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if a < b]


def _trim(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _too_short(piece: str) -> bool:
    # In bytes, since a few ideographs are a sentence.
    return len(piece.split()) < _MIN_WORDS and len(piece.encode("utf-8", "replace")) < 12


def _fit(text: str, span: Span, max_tokens: int) -> list[Span]:
    piece = text[span.start : span.end]
    # A token is at least one byte, so a short enough piece needs no counting.
    if len(piece) == 1 or len(piece.encode("utf-8", "surrogatepass")) <= max_tokens:
        return [span]
    if count_tokens(piece) <= max_tokens:
        return [span]
    middle = len(piece) // 2
    cut = next(
        (
            min(
                (m.end() for m in pattern.finditer(piece) if 0 < m.end() < len(piece)),
                key=lambda e: abs(e - middle),
            )
            for pattern in _BREAKS
            if any(len(piece) // 4 < m.end() < 3 * len(piece) // 4 for m in pattern.finditer(piece))
        ),
        middle,
    )
    left, right = _trim(text, span.start, span.start + cut), _trim(text, span.start + cut, span.end)
    return [part for half in (left, right) if half.start < half.end for part in _fit(text, half, max_tokens)]
