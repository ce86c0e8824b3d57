"""What is acknowledged is on the disk: its bytes, its name, and nothing that an interrupted write has left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from citewell.durable import append_line, make_folder, put_in_place, sync_folder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"new\n"),
        (b"", b"new\n"),
        (b"one\n", b"one\nnew\n"),
        (b"one\ncut o", b"one\ncut o\nnew\n"),
    ],
)
def test_a_line_is_appended_and_never_to_a_torn_one(
    tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    path = tmp_path / "lines"
    if before is not None:
        path.write_bytes(before)
    append_line(path, "new")
    assert path.read_bytes() == after


def test_folders_are_made_and_those_that_exist_left(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "below")


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "new")]


@pytest.mark.parametrize(("code", "told"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_without_syncing_of_folders_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: bool
) -> None:
    def fails(opened: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", fails)
    if told:
        with pytest.raises(OSError, match=os.strerror(code)):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)
