"""A trace file is written whole or not at all, never over something else, and read only if it is one."""

import json
import os

import pytest
from citewell.errors import UsageError
from citewell.trace import FORMAT, check_writable, replay
from traced import SCRIPTS, new_trace, written

# --- files -------------------------------------------------------------------------------------------------


def test_a_trace_is_one_json_document_and_nothing_is_left_beside_it(tmp_path):
    file, _ = written(tmp_path, *SCRIPTS["good"])
    assert os.listdir(tmp_path) == ["trace.json"]
    assert json.loads(file.read_bytes())["format"] == FORMAT


def test_a_trace_replaces_an_older_one_or_an_empty_file_also_behind_a_link(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.touch()
    link.symlink_to(target)
    for question in ("Why?", "How?"):
        trace = new_trace()
        trace.record("question", question)
        check_writable(link)
        trace.write(link)
        assert link.is_symlink() and json.loads(target.read_bytes())["question"] == question


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How fast is FreeNoise?", "how-fast-is-freenoise"),
        ("../../etc/passwd", "etc-passwd"),
        ("A very long question about the speed of FreeNoise", "a-very-long-question-about-the-speed-of"),
        ("FreeNoise は速いですか", "freenoise-は速いてすか"),
        ("?!", "question"),
    ],
)
def test_a_folder_gets_a_file_named_by_time_and_question(tmp_path, question, name):
    trace = new_trace()
    trace.record("question", question)
    check_writable(tmp_path)
    assert trace.write(tmp_path) == tmp_path / f"20261121T083910123456-{name}.json"
    assert os.listdir(tmp_path) == [f"20261121T083910123456-{name}.json"]


def missing_folder(tmp_path):
    return tmp_path / "missing" / "trace.json"


def file_as_folder(tmp_path):
    (tmp_path / "file").touch()
    return tmp_path / "file" / "trace.json"


def other_file(tmp_path):
    (tmp_path / "library.db").write_bytes(b"SQLite format 3")
    return tmp_path / "library.db"


def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def long_name(tmp_path):
    return tmp_path / ("n" * 300)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (missing_folder, "there is no folder .*missing. Make it first."),
        (file_as_folder, "there is no folder .*file. Make it first."),
        (other_file, "it holds something else. Choose another name."),
        (pipe, "it is no regular file. Choose another name."),
        (long_name, "File name too long. Choose another place."),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_and_left_alone(tmp_path, place, reason):
    path = place(tmp_path)
    before = sorted(tmp_path.iterdir())
    for attempt in (check_writable, new_trace().write):
        with pytest.raises(UsageError, match=f"^Cannot write the trace to .*: {reason}$"):
            attempt(path)
    assert sorted(tmp_path.iterdir()) == before
    if os.path.isfile(path):
        assert path.read_bytes() == b"SQLite format 3"


def test_a_disk_that_fills_up_leaves_the_old_trace(tmp_path, monkeypatch):
    file, _ = written(tmp_path, *SCRIPTS["good"])
    before = file.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("citewell.trace.document.sync_file", full)
    with pytest.raises(UsageError, match="No space left on device. Choose another place."):
        new_trace().write(file)
    assert file.read_bytes() == before and os.listdir(tmp_path) == ["trace.json"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no trace: it holds no JSON"),
        (b"\xff\xfe", "is no trace: it holds no JSON"),
        (b"[" * 100_000, "is no trace: it holds no JSON"),
        (b"[]", "is no trace: its format is None, this Citewell reads 'citewell-trace/1'"),
        (b'{"format":"citewell-trace/2"}', "its format is 'citewell-trace/2'"),
        (b'{"format":"citewell-trace/1"}', "is a damaged trace, see settings"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path, content, reason):
    file = tmp_path / "trace.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        replay(file)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("requests", 0, "reply", "text"), "shorter"),
        (("requests", 0, "reply", "pieces"), [[0.1, -3], [0.1, 18]]),
        (("requests", 0, "messages", 0, "role"), "nobody"),
        (("requests", 0, "reply", "failure"), {"message": "m", "failure": "bad luck", "retryable": False}),
        (("sources", 0, "source", "vectors"), {"shape": [3, 3], "float32": ""}),
        (("sources", 0, "source", "vectors"), {"shape": "wide", "float32": 7}),
        (("sources", 0, "source", "vectors"), {}),
        (("answer", "coverage"), None),
        (("history", 0), {}),
    ],
)
def test_a_damaged_trace_is_refused(tmp_path, where, value):
    file, _ = written(tmp_path, *SCRIPTS["good"])
    document = json.loads(file.read_bytes())
    part = document
    for name in where[:-1]:
        part = part[name]
    part[where[-1]] = value
    with pytest.raises(UsageError, match=f"damaged trace, see {where[0]}"):
        replay(document)


def test_a_trace_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the trace .*: No such file or directory."):
        replay(str(tmp_path / "missing.json"))
