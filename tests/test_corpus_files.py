"""Which files are visited, and what is said about those that cannot be opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from citewell.corpus import discover, read_corpus, total_bytes
from citewell.errors import UsageError
from citewell.types import Entry, Rejection

RECORD = '{"title":"T","text":"A"}\n'


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECORD)


def reasons(*paths: Path) -> list[tuple[str, str]]:
    results = [result for result in read_corpus(paths) if isinstance(result, Rejection)]
    return [(Path(result.file).name, result.reason) for result in results]


def test_folders_are_searched_in_sorted_order_without_hidden_names(tmp_path: Path) -> None:
    tree(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", ".hidden", ".git/config", "a/.x/y.txt", "c")
    found = [path.relative_to(tmp_path).as_posix() for path in discover([tmp_path])]
    assert found == ["a/b/c.txt", "a/z.txt", "b.txt", "c"]


def test_paths_keep_their_order_and_a_file_reached_twice_is_read_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "b.txt")
    (tmp_path / "link.txt").symlink_to("b.txt")
    found = discover([tmp_path / "b.txt", tmp_path, tmp_path / "a.txt"])
    assert [path.name for path in found] == ["b.txt", "a.txt"]
    assert len(list(read_corpus([tmp_path / "a.txt", tmp_path / "a.txt"]))) == 1


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    tree(tmp_path, ".hidden")
    assert len(discover([tmp_path / ".hidden"])) == 1


def test_files_are_reported_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "folder/a.txt")
    monkeypatch.chdir(tmp_path)
    (result,) = read_corpus([Path("folder")])
    assert isinstance(result, Entry)
    assert result.file == "folder/a.txt"
    assert result.paper.listings[0].source == "a.txt"


def test_a_missing_path_is_a_usage_error_before_anything_is_read(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt")
    for call in (discover, total_bytes, read_corpus):
        with pytest.raises(UsageError, match=r"No such file or folder: .*nowhere\. Check the path\."):
            call([tmp_path / "a.txt", tmp_path / "nowhere"])


def test_links_that_lead_nowhere_or_in_circles_are_reported(tmp_path: Path) -> None:
    tree(tmp_path, "sub/a.txt")
    (tmp_path / "broken").symlink_to("nothing")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    assert reasons(tmp_path) == [
        ("broken", "broken symbolic link"),
        ("self", "symbolic link loop"),
        ("up", "folder loop: it links to a folder around it"),
    ]
    assert [path.name for path in discover([tmp_path])] == ["broken", "self", "a.txt"]


def test_a_linked_folder_is_followed_once(tmp_path: Path) -> None:
    tree(tmp_path, "data/a.txt", "data/b.txt")
    (tmp_path / "again").symlink_to("data")
    assert [path.as_posix().split("/")[-2:] for path in discover([tmp_path])] == [
        ["again", "a.txt"],
        ["again", "b.txt"],
    ]


def test_pipes_sockets_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path must be short, which that of a test folder may not be.
        here = os.open(tmp_path, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
    assert reasons(tmp_path, Path("/dev/null")) == [
        ("pipe", "not a regular file"),
        ("socket", "not a regular file"),
        ("null", "not a regular file"),
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission_are_reported(tmp_path: Path) -> None:
    tree(tmp_path, "closed.txt", "folder/a.txt")
    (tmp_path / "closed.txt").chmod(0)
    (tmp_path / "folder").chmod(0)
    try:
        assert reasons(tmp_path) == [
            ("closed.txt", "permission denied"),
            ("folder", "folder cannot be listed: permission denied"),
        ]
    finally:
        (tmp_path / "folder").chmod(0o700)


def test_errors_of_opening_and_listing_become_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "closed.txt", "folder/a.txt", "open.txt")
    real_open, real_listdir = Path.open, os.listdir

    def refuse_open(path: Path, mode: str) -> object:
        if path.name == "closed.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, mode)

    def refuse_listing(path: Path) -> list[str]:
        if path.name == "folder":
            raise PermissionError(13, "Permission denied", str(path))
        return real_listdir(path)

    monkeypatch.setattr(Path, "open", refuse_open)
    monkeypatch.setattr(os, "listdir", refuse_listing)
    read_bytes: list[int] = []
    results = list(read_corpus([tmp_path], on_bytes=read_bytes.append))
    assert [(Path(r.file).name, r.reason) for r in results if isinstance(r, Rejection)] == [
        ("closed.txt", "permission denied"),
        ("folder", "folder cannot be listed: permission denied"),
    ]
    assert len([result for result in results if isinstance(result, Entry)]) == 1
    assert sum(read_bytes) == total_bytes([tmp_path]) == 2 * len(RECORD)


def test_a_file_is_not_read_far_ahead_of_its_papers(tmp_path: Path) -> None:
    line = f'{{"title": "T", "abstract": "{"word " * 200}"}}\n'
    (tmp_path / "a.jsonl").write_text(line * 400)
    read_bytes: list[int] = []
    for number, _ in enumerate(read_corpus([tmp_path], on_bytes=read_bytes.append), 1):
        assert sum(read_bytes) < number * len(line) + 100_000


def test_a_name_that_is_not_utf8_is_made_printable(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(name, "w") as file:
        file.write(RECORD)
    (result,) = read_corpus([tmp_path])
    assert isinstance(result, Entry)
    assert result.file.endswith("/caf\ufffd.jsonl")
    assert result.paper.listings[0].source == "caf\ufffd.jsonl"


def test_a_file_that_vanishes_is_reported(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "b.txt")
    results = read_corpus([tmp_path])
    next(results)
    (tmp_path / "b.txt").unlink()
    assert [result.reason for result in results if isinstance(result, Rejection)] == ["file is gone"]


def test_a_collection_inside_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("library.db", "write.lock", "notes.txt"):
        (tmp_path / "data" / name).write_text("x")
    (tmp_path / "page.txt").write_text("x")
    assert discover([tmp_path]) == [tmp_path / "page.txt"]
