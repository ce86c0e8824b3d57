"""What a reader accepts from one file before it rejects a record or the rest of the file."""

from __future__ import annotations

from dataclasses import dataclass

from citewell.settings import Settings

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Bounds that keep one bad file from exhausting memory, disk or patience.

    Attributes:
        max_line_bytes: longest line, table row or JSON record, in bytes of UTF-8; longer ones are skipped.
        max_title_chars: longest title, in characters.
        max_abstract_chars: longest abstract, in characters.
        max_expanded_bytes: most bytes that one compressed file may expand to.
        max_expansion_ratio: most expanded bytes per compressed byte. Text packs 3 to 10 times, gzip cannot
            pass 1,032 and bombs come close to it.
        expansion_grace_bytes: expanded bytes within which the ratio is not looked at, so that a small,
            very repetitive file is read.
        max_rejections: rejections reported one by one for a file; the rest are counted in one more.
    """

    max_line_bytes: int = 16 * _MIB
    max_title_chars: int = 1_000
    max_abstract_chars: int = 100_000
    max_expanded_bytes: int = 64 * 1024 * _MIB
    max_expansion_ratio: int = 100
    expansion_grace_bytes: int = 64 * _MIB
    max_rejections: int = 100

    @classmethod
    def of(cls, settings: Settings) -> ReaderLimits:
        """Returns the limits that the settings name."""
        return cls(
            max_line_bytes=settings.max_line_bytes,
            max_title_chars=settings.max_title_chars,
            max_abstract_chars=settings.max_abstract_chars,
            max_expanded_bytes=settings.max_expanded_bytes,
            max_expansion_ratio=settings.max_expansion_ratio,
        )
