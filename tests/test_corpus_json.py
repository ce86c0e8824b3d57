"""JSON lines, JSON arrays and the arXiv dump."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from citewell.corpus import ReaderLimits, read_corpus
from citewell.types import Entry, Listing, Paper, Rejection
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD: dict[str, object] = {"_id": "7", "title": "A good record", "text": "It has an abstract."}


def read(
    data: str | bytes,
    folder: Path,
    limits: ReaderLimits = ReaderLimits(),  # noqa: B008 - frozen
) -> tuple[list[Entry], list[tuple[int | None, str]]]:
    path = folder / "papers.txt"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    results = list(read_corpus([path], limits))
    faults = [(result.line, result.reason) for result in results if isinstance(result, Rejection)]
    return [result for result in results if isinstance(result, Entry)], faults


def one(record: dict[str, object], folder: Path) -> Paper:
    entries, faults = read(json.dumps(record), folder)
    assert faults == []
    (entry,) = entries
    return entry.paper


def test_a_beir_record_keeps_its_id_and_its_file(tmp_path: Path) -> None:
    assert one(GOOD, tmp_path) == Paper(
        "A good record", "It has an abstract.", paper_id="7", listings=(Listing("papers.txt"),)
    )


def test_a_full_record_keeps_every_field(tmp_path: Path) -> None:
    record: dict[str, object] = {
        "Title": "  Two  spaces stay \n",
        "Abstract": "\tLines\nstay too. ",
        "authors": ["Ada Lovelace", "  Alan   Turing", ""],
        "year": "2024",
        "url": "https://example.org/p?x=1",
        "doi": "https://doi.org/10.1000/ABC.",
        "arxiv_id": "arXiv:2508.01234v2",
        "categories": "cs.IR cs.CL",
        "date": "Aug 22",
        "source": "a page",
        "paper_id": 12,
    }
    assert one(record, tmp_path) == Paper(
        title="Two  spaces stay",
        abstract="Lines\nstay too.",
        paper_id="12",
        listings=(Listing("a page", "Aug 22"),),
        authors=("Ada Lovelace", "Alan Turing"),
        year=2024,
        url="https://example.org/p?x=1",
        doi="10.1000/abc",
        arxiv_id="2508.01234",
        categories=("cs.IR", "cs.CL"),
    )


def test_a_record_of_the_arxiv_dump_is_known_by_its_arxiv_id(tmp_path: Path) -> None:
    record: dict[str, object] = {
        "id": "0704.0001",
        "submitter": "Pavel Nadolsky",
        "authors": "C. Bal\\'azs, E. L. Berger",
        "title": "Calculation of prompt diphoton production cross sections at Tevatron and\n  LHC energies",
        "doi": "10.1103/PhysRevD.76.013009 10.1000/other",
        "categories": "hep-ph math.CO",
        "abstract": "  A fully differential calculation\nis presented.\n",
        "versions": [{"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"}],
        "update_date": "2008-11-26",
        "authors_parsed": [["Balázs", "C.", ""], ["Berger", "E. L.", "Jr"]],
    }
    assert one(record, tmp_path) == Paper(
        title="Calculation of prompt diphoton production cross sections at Tevatron and\n  LHC energies",
        abstract="A fully differential calculation\nis presented.",
        listings=(Listing("papers.txt"),),
        authors=("C. Balázs", "E. L. Berger Jr"),
        year=2007,
        url="https://arxiv.org/abs/0704.0001",
        doi="10.1103/physrevd.76.013009",
        arxiv_id="0704.0001",
        categories=("hep-ph", "math.CO"),
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("authors", "A. One and B. Two", ("A. One", "B. Two")),
        ("authors", "A. One, B. Two, Jr., and C. Three", ("A. One", "B. Two, Jr.", "C. Three")),
        ("authors", "One, A.; Two, B.", ("One, A.", "Two, B.")),
        ("authors", "A. One (Lab (Paris), France), B. Two", ("A. One", "B. Two")),
        ("authors", [{"name": "A. One"}, {"id": 3}, 5], ("A. One",)),
        ("authors", 5, ()),
        ("categories", ["cs.IR", "stat.ML"], ("cs.IR", "stat.ML")),
        ("categories", "cs.IR,stat.ML; q-bio.QM", ("cs.IR", "stat.ML", "q-bio.QM")),
        ("categories", "['cs.IR', 'cs.AI']", ("cs.IR", "cs.AI")),
        ("categories", "Computer Science; Biology", ("Computer Science", "Biology")),
        ("year", 1999, 1999),
        ("year", 2020.0, 2020),
        ("published", "2019-05-01T00:00:00Z", 2019),
        ("year", "unknown", None),
        ("year", True, None),
        ("url", "javascript:alert(1)", None),
        ("url", "https://e.org/<script>", None),
        ("doi", "none", None),
        ("arxiv_id", "none", None),
        ("arxiv_id", 704.001, "0704.0010"),
    ],
)
def test_optional_fields_are_taken_as_they_come_or_left_out(
    tmp_path: Path, field: str, value: object, expected: object
) -> None:
    paper = one({**GOOD, field: value}, tmp_path)
    assert getattr(paper, "year" if field == "published" else field) == expected


BAD_RECORDS = [
    (
        '{"title":"a \\ud800 b","text":"t"}',
        "title contains the lone surrogate \\ud800, which cannot be stored",
    ),
    ('{"title":"t","text":"a \\u0000 b"}', "abstract contains a NUL character"),
    ('{"title":5,"text":"t"}', "title is not text but of type int"),
    ('{"title":"t","text":["a"]}', "abstract is not text but of type list"),
    ('{"title":"t","text":"t","_id":{}}', "id is not text but of type dict"),
    (
        '{"title":"t","text":"t","z":' + "[" * 100_000 + "]" * 100_000 + "}",
        "not read: JSON nested too deeply",
    ),
    ('{"title":"t","text":"t","year":' + "9" * 5000 + "}", "not read: a number with too many digits"),
    ('{"title":"t","text":"t","doi":NaN}', "not JSON: NaN is not a JSON value; use null"),
    ('{"title":"t","text":null}', "record without abstract"),
    ('{"title":" ","text":"t"}', "record without title"),
    ('{"title":"","text":""}', "record without title or abstract"),
    ('{"text":"t","x\\ud800":1}', "record without title (found: text, x\ufffd)"),
    ('{"title":"t","text":"' + "y" * 100_001 + '"}', "abstract longer than 100,000 characters"),
    ('{"title":"' + "t" * 1_001 + '","text":"t"}', "title longer than 1,000 characters"),
]


@pytest.mark.parametrize(("record", "reason"), BAD_RECORDS, ids=[reason[:40] for _, reason in BAD_RECORDS])
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_bad_record_is_reported_with_its_line_and_the_rest_is_read(
    tmp_path: Path, record: str, reason: str, layout: str
) -> None:
    rows = [json.dumps(GOOD), record, json.dumps(GOOD)]
    text = "\n".join(rows) if layout == "lines" else "[\n" + ",\n".join(rows) + "\n]\n"
    first = 1 if layout == "lines" else 2
    entries, faults = read(text, tmp_path)
    assert [entry.line for entry in entries] == [first, first + 2]
    assert faults == [(first + 1, reason)]


@pytest.mark.parametrize(
    ("text", "lines", "faults"),
    [
        ('{"title": "x" "text"\n%\n', [2], [(1, "not JSON: expecting ',' delimiter at column 15")]),
        ("%\n[1]\n", [1], [(2, "record is not a JSON object but of type list")]),
        ("%\n\n% extra\n", [1], [(3, "not JSON: extra data at column 70")]),
        ('%\n{"title":"x","te', [1], [(2, "file ends in the middle of a JSON record")]),
        ('%\n{"title":"x","te\n', [1], [(2, "not JSON: unterminated string starting at at column 14")]),
        ("[%, nonsense, %]", [1, 1], [(1, "not JSON: expecting value")]),
        ('[%,\n{"a" 1},\n%]', [1, 3], [(2, "not JSON: expecting ':' delimiter")]),
        ("[%,\n%", [1, 2], [(2, "file ends before the JSON array is closed")]),
        (
            '[%,\n{"title":"x","authors":[{"name":"a"},{"na',
            [1],
            [(2, "file ends in the middle of a JSON record")],
        ),
        ("[%,\n3]", [1], [(2, "record is not a JSON object but of type int")]),
        ("[]", [], [(None, "no records in it")]),
    ],
)
def test_broken_json_is_reported_once_and_read_on(
    tmp_path: Path, text: str, lines: list[int], faults: list[tuple[int | None, str]]
) -> None:
    entries, found = read(text.replace("%", json.dumps(GOOD)), tmp_path)
    assert [entry.line for entry in entries] == lines
    assert found == faults


@pytest.mark.parametrize("indent", [None, 2])
def test_arrays_and_records_over_several_lines_are_read(tmp_path: Path, indent: int | None) -> None:
    records = [{**GOOD, "_id": str(number)} for number in range(300)]
    for text in (
        json.dumps(records, indent=indent),
        "\n".join(json.dumps(record, indent=indent) for record in records),
    ):
        entries, faults = read(text, tmp_path)
        assert [entry.paper.paper_id for entry in entries] == [str(number) for number in range(300)]
        assert faults == []


def test_a_record_longer_than_the_limit_is_skipped_in_an_array(tmp_path: Path) -> None:
    long = {"title": "t", "text": "t", "body": "x" * 2_000_000}
    text = json.dumps([GOOD, long, GOOD])
    entries, faults = read(text, tmp_path, ReaderLimits(max_line_bytes=500_000))
    assert len(entries) == 2
    assert faults == [(1, "record longer than 500,000 bytes")]


def test_an_array_that_is_not_utf8_loses_only_the_record(tmp_path: Path) -> None:
    data = json.dumps([GOOD, {**GOOD, "title": "Caf\u00e9"}, GOOD], ensure_ascii=False).encode("latin-1")
    entries, faults = read(data, tmp_path)
    assert len(entries) == 2
    assert faults == [(1, "not UTF-8: byte 0xe9; save the file as UTF-8")]


def test_queries_give_one_rejection_but_a_late_paper_is_still_found(tmp_path: Path) -> None:
    queries = '{"_id":"1","text":"what?"}\n' * 40
    reason = "record without title (found: _id, text)"
    assert read(queries, tmp_path) == ([], [(None, f"no record is a paper; 40 are alike: {reason}")])
    entries, faults = read(queries + json.dumps(GOOD), tmp_path, ReaderLimits(max_rejections=3))
    assert [entry.line for entry in entries] == [41]
    assert faults == [(1, reason), (2, reason), (3, reason), (None, "37 more records rejected")]


def test_rejections_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    text = '{"title":"t","text":1}\n' * 250 + json.dumps(GOOD)
    entries, faults = read(text, tmp_path)
    assert len(entries) == 1
    assert len(faults) == 101
    assert faults[-1] == (None, "150 more records rejected")


# What survives storage: no lone surrogates, no NUL, and nothing that only white space would be lost from.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80
).filter(lambda text: bool(text.strip()))
RECORDS = st.lists(st.fixed_dictionaries({"title": TEXT, "abstract": TEXT}), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.sampled_from(["lines", "array", "pretty"]), st.booleans())
def test_generated_records_come_back_exactly(
    records: list[dict[str, str]], layout: str, ascii_only: bool
) -> None:
    text = (
        "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
        if layout == "lines"
        else json.dumps(records, ensure_ascii=ascii_only, indent=1 if layout == "pretty" else None)
    )
    with tempfile.TemporaryDirectory() as folder:
        entries, faults = read(text, Path(folder))
    assert faults == []
    assert [(entry.paper.title, entry.paper.abstract) for entry in entries] == [
        (record["title"].strip(), record["abstract"].strip()) for record in records
    ]
