"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

import json
import re
from typing import Literal

from .bytestream import compression_magic
from .lines import encoding_of
from .listing import looks_like_listing
from .table import table_delimiter

Format = Literal["listing", "json_lines", "json_stream", "table"]

HEAD_BYTES = 64 * 1024
_UNPACK = "unpack it first"
_MAGIC = {
    b"PK\x03\x04": f"a zip archive or office document: {_UNPACK}",
    b"PK\x05\x06": f"a zip archive: {_UNPACK}",
    b"Rar!\x1a": f"a rar archive: {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive: {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"zstd-compressed: {_UNPACK}",
    b"\x04\x22\x4d\x18": f"lz4-compressed: {_UNPACK}",
    b"%PDF-": "a PDF: save its text as a listing page or CSV",
    b"%!PS": "PostScript: save its text as a listing page or CSV",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "a media file",
    b"\x7fELF": "a program",
    b"SQLite format 3\0": "an SQLite database: export it as CSV or JSON lines",
    b"PAR1": "a Parquet file: export it as CSV or JSON lines",
    b"\x89HDF": "an HDF5 file: export it as CSV or JSON lines",
    b"\xd0\xcf\x11\xe0": "an office document: save it as CSV or text",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04\x95": "a Python pickle, which is never opened",
}
_TAR_MAGIC = slice(257, 262)
# Bytes that text does not hold: control characters except white space and ESC.
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
_MAX_CONTROL_SHARE = 0.01
_FEW_CONTROLS = 2  # in however short a file: they cost a record, not the file
_MARKUP = re.compile(r"<(?:!doctype|html|\?xml|head|body|div)\b", re.IGNORECASE)
_BIBTEX = re.compile(r"@[a-z]+\s*\{", re.IGNORECASE)
_MARKDOWN_OR_CODE = re.compile(r"#|```|---$|/\*|//|import |from \w+ import ")
_ARRAY = re.compile(r"\[\s*(?:[\[\]{\"]|$)")


def binary_reason(head: bytes) -> str | None:
    """What a file that is not text looks like; None for text."""
    looks = next((looks for magic, looks in _MAGIC.items() if head.startswith(magic)), None)
    if looks is None and head[_TAR_MAGIC] == b"ustar":
        looks = f"a tar archive: {_UNPACK}"
    if looks is not None:
        return f"looks like {looks}"
    if compression_magic(head):
        return f"compressed twice: {_UNPACK}"
    if encoding_of(head)[0][:6] in ("utf-16", "utf-32"):
        return None
    controls = len(head) - len(head.translate(None, _CONTROL))
    if controls > _FEW_CONTROLS + _MAX_CONTROL_SHARE * len(head):
        return "looks binary, or UTF-16 without a byte order mark: save it as UTF-8 text"
    return None


def sniff(head: str) -> tuple[Format, str] | str:
    """The format and, for a table, its delimiter; or the reason why the file is none of the known ones.

    Args:
        head: the beginning of the text, white space before it removed; its last line may be cut.
    """
    lines = head.split("\n")
    if head.startswith("{"):
        return ("json_lines" if _is_line_by_line(lines) else "json_stream"), ""
    if _ARRAY.match(head):
        return "json_stream", ""
    if _MARKUP.match(head):
        return "looks like HTML or XML: save the page as text"
    if _BIBTEX.match(head):
        return "looks like BibTeX: export it as CSV or JSON"
    delimiter = table_delimiter(lines)
    if delimiter is not None:
        return "table", delimiter
    if not _MARKDOWN_OR_CODE.match(head) and looks_like_listing(lines):
        return "listing", ""
    return "not a listing page, CSV, TSV or JSON: found no titles followed by abstracts"


def _is_line_by_line(lines: list[str]) -> bool:
    """Whether the records are one a line; a record that is broken or cut off does not decide it."""
    full = [line.strip() for line in lines if line.strip()]
    try:
        json.loads(full[0])
    except (ValueError, RecursionError):
        return len(full) == 1 or full[0].endswith("}") or full[1].startswith("{")
    return True
