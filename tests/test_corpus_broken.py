"""Compressed, cut, damaged, binary, hostile and merely huge files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from citewell.corpus import ReaderLimits, read_corpus, total_bytes
from citewell.types import Entry, Rejection
from hypothesis import given, settings
from hypothesis import strategies as st

ABSTRACT = "Reading pages is harder than it looks, and we measure by how much. " * 6
Fault = tuple[int | None, str]
CUT = "file ends in the middle of the compressed stream"
DAMAGED = "damaged compressed data, read with care what came before: "
UNKNOWN_TAIL = "unknown data after the end of the compressed stream"


def record(number: int) -> str:
    return json.dumps({"_id": str(number), "title": f"Paper {number}", "text": f"{ABSTRACT}{number * 7919}"})


def json_lines(count: int) -> bytes:
    return "".join(f"{record(number)}\n" for number in range(count)).encode()


def listing(count: int) -> bytes:
    return "".join(f"Title {number}\n\n{ABSTRACT}{number * 7919}.\n\n" for number in range(count)).encode()


def read(
    data: bytes,
    folder: Path,
    limits: ReaderLimits = ReaderLimits(),  # noqa: B008 - frozen
) -> tuple[list[Entry], list[Fault]]:
    path = folder / "file"
    path.write_bytes(data)
    read_bytes: list[int] = []
    results = list(read_corpus([path], limits, read_bytes.append))
    assert sum(read_bytes) == total_bytes([path]) == len(data)
    assert min(read_bytes, default=1) > 0
    faults = [(result.line, result.reason) for result in results if isinstance(result, Rejection)]
    return [result for result in results if isinstance(result, Entry)], faults


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("packer", PACKERS)
def test_compressed_files_are_known_by_their_content(tmp_path: Path, packer: str) -> None:
    pack = PACKERS[packer]
    for data, count in ((json_lines(300), 300), (listing(40), 40)):
        plain, _ = read(data, tmp_path)
        packed, faults = read(pack(data), tmp_path)
        assert packed == plain and len(packed) == count
        assert faults == []


@pytest.mark.parametrize("packer", PACKERS)
def test_joined_and_padded_members_are_one_file(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](json_lines(100))
    assert len(read(packed + packed, tmp_path)[0]) == 200
    assert read(packed + bytes(8) + packed + bytes(512), tmp_path)[1] == []
    entries, faults = read(packed + b"rubbish", tmp_path)
    assert len(entries) == 100
    assert faults == [(101, UNKNOWN_TAIL)]


@pytest.mark.parametrize(("packer", "least"), [("gz", 700), ("xz", 700), ("bz2", 0)])
@pytest.mark.parametrize("make", [json_lines, listing])
def test_a_cut_file_keeps_what_came_before_and_is_reported_once(
    tmp_path: Path, packer: str, least: int, make: Callable[[int], bytes]
) -> None:
    packed = PACKERS[packer](make(3000))
    whole, _ = read(packed, tmp_path)
    entries, ((line, reason),) = read(packed[: len(packed) // 2], tmp_path)
    assert least <= len(entries) < 3000
    assert entries == whole[: len(entries)]
    assert reason == CUT
    assert line is None if not entries else line is not None and line > entries[-1].line


@pytest.mark.parametrize("packer", PACKERS)
def test_a_cut_within_the_first_bytes_is_reported(tmp_path: Path, packer: str) -> None:
    assert read(PACKERS[packer](json_lines(3))[:12], tmp_path) == ([], [(None, CUT)])


@pytest.mark.parametrize(("packer", "at"), [("gz", -8), ("xz", -30_000), ("bz2", -5_000)])
def test_damaged_data_are_reported_after_what_could_be_read(tmp_path: Path, packer: str, at: int) -> None:
    packed = bytearray(PACKERS[packer](json_lines(8_000)))
    packed[at] ^= 0xFF
    entries, faults = read(bytes(packed), tmp_path)
    assert faults[-1][1].startswith(DAMAGED)
    assert entries[:1000] == read(json_lines(1000), tmp_path)[0]


def test_a_stream_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    packed = bytearray(lzma.compress(json_lines(3), filters=filters))
    at = packed.index(b"\x21\x01", 12) + 2  # LZMA2's one property byte: the size of its dictionary
    packed[at] = 40  # 4 GiB
    header = packed[12 : 12 + (packed[12] + 1) * 4 - 4]
    packed[12 + len(header) : 16 + len(header)] = zlib.crc32(header).to_bytes(4, "little")
    _, faults = read(bytes(packed), tmp_path)
    assert faults == [(None, f"{DAMAGED}memory usage limit exceeded")]


BOMB_LIMITS = ReaderLimits(expansion_grace_bytes=2_000_000)
BOMB = "expands more than 100 times, like a zip bomb: unpack it first"


@pytest.mark.parametrize("filler", [b" ", b"a", b'{"title":"t","text":1}\n'])
@pytest.mark.parametrize("packer", PACKERS)
def test_bombs_are_stopped_whatever_they_expand_to(tmp_path: Path, packer: str, filler: bytes) -> None:
    packed = PACKERS[packer](json_lines(1) + filler * (6_000_000 // len(filler)))
    entries, faults = read(packed, tmp_path, BOMB_LIMITS)
    assert len(entries) == 1
    assert faults[-1][1] == BOMB


def test_the_expanded_size_is_limited_too(tmp_path: Path) -> None:
    entries, faults = read(
        gzip.compress(json_lines(3000)), tmp_path, ReaderLimits(max_expanded_bytes=700_000)
    )
    assert 0 < len(entries) < 3000
    assert [reason for _, reason in faults] == ["expands to more than 700,000 bytes: split the file"]


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", listing(1))
    return out.getvalue()


def tar_file(mode: Literal["w", "w:gz"]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = len(listing(1))
        archive.addfile(member, io.BytesIO(listing(1)))
    return out.getvalue()


BINARY = "looks binary, or UTF-16 without a byte order mark: save it as UTF-8 text"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\n \r\n\t\n", "empty file"),
        (gzip.compress(b"", mtime=0), "empty file"),
        (b" " * 100_000 + b"x", "begins with more than 65,536 bytes of white space"),
        (bytes(1000), BINARY),
        (bytes(range(256)) * 8, BINARY),
        (json_lines(2).decode().encode("utf-16-le"), BINARY),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "looks like a PNG image"),
        (b"%PDF-1.7\n%\xe2\xe3", "looks like a PDF: save its text as a listing page or CSV"),
        (zip_file(), "looks like a zip archive or office document: unpack it first"),
        (tar_file("w"), "looks like a tar archive: unpack it first"),
        (tar_file("w:gz"), "looks like a tar archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd\x04", "looks like zstd-compressed: unpack it first"),
        (gzip.compress(lzma.compress(b"x"), mtime=0), "compressed twice: unpack it first"),
        (b"SQLite format 3\0", "looks like an SQLite database: export it as CSV or JSON lines"),
        (b"<!DOCTYPE html>\n<html>", "looks like HTML or XML: save the page as text"),
        (b"@article{key,\n  title = {T},\n}", "looks like BibTeX: export it as CSV or JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_of_other_kinds_are_named(tmp_path: Path, data: bytes, reason: str) -> None:
    assert read(data, tmp_path) == ([], [(None, reason)])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("make", [json_lines, listing])
def test_byte_order_marks_tell_the_encoding(
    tmp_path: Path, encoding: str, make: Callable[[int], bytes]
) -> None:
    text = make(200).decode().replace("harder", "h\u00e4rder \U0001f600")
    expected, _ = read(text.encode(), tmp_path)
    assert read(text.encode(encoding), tmp_path) == (expected, [])


def test_utf16_that_breaks_off_is_reported_after_what_was_read(tmp_path: Path) -> None:
    entries, faults = read(json_lines(3).decode().encode("utf-16")[:-1], tmp_path)
    assert len(entries) == 2
    assert faults == [(3, "not UTF-16 as its first bytes say: save it as UTF-8")]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("make", [json_lines, listing])
def test_line_ends_of_other_systems_are_read(tmp_path: Path, end: str, make: Callable[[int], bytes]) -> None:
    expected, _ = read(make(5), tmp_path)
    assert read(make(5).replace(b"\n", end.encode()), tmp_path) == (expected, [])


@pytest.mark.parametrize(("make", "line"), [(json_lines, 4), (listing, 13)])
def test_a_line_of_50_megabytes_is_skipped_without_being_held(
    tmp_path: Path, make: Callable[[int], bytes], line: int
) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(make(3))
        for _ in range(50):
            file.write(b"a" * 1_000_000)
        file.write(b"\n\n" + make(2))
    tracemalloc.start()
    results = list(read_corpus([path], ReaderLimits(max_line_bytes=1_000_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    assert len([result for result in results if isinstance(result, Entry)]) == 5
    assert [result for result in results if isinstance(result, Rejection)] == [
        Rejection(str(path), line, "line longer than 1,000,000 bytes")
    ]


def test_lines_longer_than_the_limit_within_one_chunk_are_skipped_too(tmp_path: Path) -> None:
    data = json_lines(1) + b'{"title":"' + b"t" * 900 + b'"}\n' + json_lines(1)
    entries, faults = read(data, tmp_path, ReaderLimits(max_line_bytes=700))
    assert [entry.line for entry in entries] == [1, 3]
    assert faults == [(2, "line longer than 700 bytes")]


def as_array(data: bytes) -> bytes:
    return b"[" + data.strip().replace(b"\n", b",\n") + b"]"


def as_table(data: bytes) -> bytes:
    rows = [json.loads(line) for line in data.splitlines()]
    return "".join(["title,text\n", *(f'{row["title"]},"{row["text"]}"\n' for row in rows)]).encode()


SHAPES: dict[str, Callable[[int], bytes]] = {
    "json lines": json_lines,
    "listing": listing,
    "array on few lines": lambda count: as_array(json_lines(count)),
    "array on one line": lambda count: as_array(json_lines(count)).replace(b"\n", b""),
    "table": lambda count: as_table(json_lines(count)),
    "gzip": lambda count: gzip.compress(json_lines(count)),
    "rejections only": lambda count: b'{"title":"%s"}\n' % (b"a title " * 30) * (count * 2),
}


def peak_memory(path: Path) -> int:
    tracemalloc.start()
    for _ in read_corpus([path]):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, shape: str) -> None:
    make = SHAPES[shape]
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(make(2_500))
    large.write_bytes(make(10_000))
    assert peak_memory(large) < 1.5 * peak_memory(small)


def test_memory_is_bounded_for_thirty_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        for _ in range(30):
            file.write(json_lines(2_000))
    assert path.stat().st_size > 25_000_000
    assert peak_memory(path) < 4_000_000


MARKUP = [b"\n", b"\n\n", b'"', b"{", b"}", b"[", b"]", b",", b"\t", b"\0", b"\xe9", b'{"title":']
BEGINNINGS = [b"title,abstract\n", b"Daily Papers\n", b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"BZh9", b"\xff\xfe"]
WHOLE = [record(1).encode(), ABSTRACT.encode()]
PIECES = st.lists(st.binary(max_size=30) | st.sampled_from(MARKUP + BEGINNINGS + WHOLE), max_size=25).map(
    b"".join
)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.sampled_from([None, *PACKERS]), st.integers(0, 400))
def test_any_bytes_give_entries_or_rejections_and_never_an_error(
    data: bytes, packer: str | None, cut: int
) -> None:
    if packer is not None:
        data = PACKERS[packer](data)[: -cut or None]
    with tempfile.TemporaryDirectory() as folder:
        entries, faults = read(data, Path(folder), ReaderLimits(max_line_bytes=600, max_abstract_chars=500))
    assert entries or faults
    for entry in entries:
        stored = json.dumps(
            [entry.paper.title, entry.paper.abstract, entry.paper.paper_id], ensure_ascii=False
        )
        assert "\0" not in stored.encode().decode()
        assert entry.paper.title and entry.paper.abstract and entry.line >= 1
    for line, reason in faults:
        assert reason and reason.encode() and "\n" not in reason
        assert line is None or line >= 1


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(sorted(SHAPES)))
def test_a_file_with_a_few_bytes_changed_is_read_past_them(data: st.DataObject, shape: str) -> None:
    content = bytearray(SHAPES[shape](8))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        entries, faults = read(bytes(content), Path(folder))
    assert entries or faults
