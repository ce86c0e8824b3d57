"""Files to entries: opens each, tells its format, reads it on past whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from citewell.types import Entry, Rejection

from .bytestream import StreamError, expand, peek, read_chunks
from .files import on_disk_bytes, os_reason, printable, walk, why_unreadable
from .jsonrecords import read_json_lines, read_json_stream
from .limits import ReaderLimits
from .lines import as_utf8, read_lines
from .listing import read_listing
from .record import Fault, Found
from .report import FileReport
from .sniff import HEAD_BYTES, binary_reason, sniff
from .table import read_table


def read_corpus(
    paths: Sequence[Path],
    limits: ReaderLimits = ReaderLimits(),  # noqa: B008 - frozen
    on_bytes: Callable[[int], None] | None = None,
) -> Iterator[Entry | Rejection]:
    """Every paper in the files, and a rejection for everything that could not become one.

    Memory does not grow with the size of a file.

    Args:
        paths: files and folders; see `discover`.
        limits: what to accept from one file.
        on_bytes: hears how many on-disk bytes were read since the last call; the sum of all calls is
            `total_bytes(paths)`.

    Raises:
        UsageError: a path does not exist. It is raised at once, before anything is read.
    """
    found = walk(paths)
    return _read_all(found, limits, on_bytes or (lambda size: None))


def _read_all(
    found: Sequence[Path | Rejection], limits: ReaderLimits, on_bytes: Callable[[int], None]
) -> Iterator[Entry | Rejection]:
    for item in found:
        if isinstance(item, Rejection):
            yield item
        else:
            progress = _Progress(on_disk_bytes(item), on_bytes)
            yield from _read_file(item, limits, progress)
            progress.finish()


class _Progress:
    """Reports bytes read so that a file comes to exactly its size, however it ends or grows."""

    def __init__(self, size: int, on_bytes: Callable[[int], None]) -> None:
        self._left = size
        self._on_bytes = on_bytes

    def read(self, size: int) -> None:
        size = min(size, self._left)
        self._left -= size
        if size:
            self._on_bytes(size)

    def finish(self) -> None:
        self.read(self._left)


def _read_file(path: Path, limits: ReaderLimits, progress: _Progress) -> Iterator[Entry | Rejection]:
    file = printable(path)
    reason = why_unreadable(path)
    if reason is not None:
        yield Rejection(file, None, reason)
        return
    try:
        handle = path.open("rb")
    except OSError as error:
        yield Rejection(file, None, os_reason(error))
        return
    with handle:
        report = FileReport(file, limits.max_rejections)
        try:
            chunks = expand(read_chunks(handle, progress.read), limits)
            for result in _results(chunks, printable(Path(path.name)), limits):
                yield from report.of(result)
        except StreamError as error:
            yield from report.end(broken_off=True)
            yield Rejection(file, error.line, str(error))
        else:
            yield from report.end()


def _results(chunks: Iterator[bytes], source: str, limits: ReaderLimits) -> Iterator[Found | Fault]:
    head, chunks = peek(chunks, HEAD_BYTES)
    reason = binary_reason(head)
    if reason is not None:
        yield Fault(None, reason)
        return
    chunks = as_utf8(chunks, head)
    start, chunks = peek(chunks, HEAD_BYTES)
    text = start.decode("utf-8", "replace").replace("\r\n", "\n")[:HEAD_BYTES].lstrip()
    if not text:
        yield from _empty(chunks)
        return
    kind = sniff(text)
    if isinstance(kind, str):
        yield Fault(None, kind)
    elif kind[0] == "json_stream":
        yield from read_json_stream(chunks, source, limits)
    else:
        lines = read_lines(chunks, limits.max_line_bytes)
        if kind[0] == "json_lines":
            yield from read_json_lines(lines, source, limits)
        elif kind[0] == "table":
            yield from read_table(lines, kind[1], source, limits)
        else:
            yield from read_listing(lines, text.split("\n"), source, limits)


def _empty(chunks: Iterator[bytes]) -> Iterator[Fault]:
    """The fault of a file whose beginning holds no text; a stream that broke off says so itself."""
    if all(not chunk.strip() for chunk in chunks):
        yield Fault(None, "empty file")
    else:
        yield Fault(None, f"begins with more than {HEAD_BYTES:,} bytes of white space")
