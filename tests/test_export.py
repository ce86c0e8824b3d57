"""A collection as one file: it comes back as it was, and nothing else gets in."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from citewell import Assistant, cli
from citewell.errors import CitewellError, CollectionError, NoCollectionError, UsageError
from citewell.index import Collection
from citewell.ingest import SilentProgress
from citewell.library import Library
from citewell.library.filters import Filters
from citewell.settings import Settings
from citewell.transfer import export, import_file
from citewell.transfer.importing import merge
from fakes import HashEmbedder, paper, words_of

PAPERS = 40
SILENT = SilentProgress()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection that has seen changes: papers updated, removed, and repeated under other keys."""
    path = tmp_path_factory.mktemp("source") / "data"
    with Assistant.open(path, embedder=HashEmbedder()) as assistant:
        assistant.add([paper(number) for number in range(PAPERS + 2)])
        assistant.add([paper(number, version=1) for number in range(5)])
        assistant.remove([f"p{PAPERS}", f"p{PAPERS + 1}"])
    return path


@pytest.fixture(scope="module")
def exported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported") / "papers.citewell"
    export(Settings(data_dir=source), target, SILENT)
    return target


def contents(data_dir: Path) -> list[tuple[object, ...]]:
    """All that a collection holds of its papers: the papers, their keys, chunks and vectors to the bit."""
    library = Library(data_dir / "library.db")
    with closing(library):
        manifest = library.manifest()
        rows = library.matching(Filters(), 10**6) or []
        passages = library.passages(rows, manifest)
        keys = dict[int, list[str]]()
        for row, key in library.connection().execute("SELECT paper, key FROM aliases ORDER BY key"):
            keys.setdefault(row, []).append(key)
        held: list[tuple[object, ...]] = [
            (
                found,
                keys[row],
                passages[row].spans,
                passages[row].abstract.tobytes(),
                passages[row].chunks.tobytes(),
            )
            for row, found in library.papers(rows).items()
        ]
        listed = [tuple(item) for item in library.listings()]
        return [
            (manifest.papers, manifest.digest, manifest.fingerprint, manifest.dim),
            *sorted(held, key=repr),
            *listed,
        ]


# --- there and back --------------------------------------------------------------------------------------


def test_what_comes_back_is_what_went_out(source: Path, exported: Path, tmp_path: Path) -> None:
    done = import_file(Settings(data_dir=tmp_path / "new"), exported, SILENT)
    assert (done.papers, done.added, done.embedded) == (PAPERS, PAPERS, 0)
    assert contents(tmp_path / "new") == contents(source)
    embedder = HashEmbedder()
    with Assistant.open(tmp_path / "new", embedder=embedder, create=False) as assistant:
        assert assistant.collection.snapshot().generation is not None  # it is published already
        assert [assistant.search(words_of(n), k=1)[0].paper_id for n in (7, 39)] == ["p7", "p39"]
        assert assistant.search(words_of(3, version=1), k=1)[0].paper_id == "p3"
        assert assistant.add([paper(9)]).unchanged == 1
    assert embedder.embedded == 0


def test_an_exported_import_is_the_same_file(exported: Path, tmp_path: Path) -> None:
    import_file(Settings(data_dir=tmp_path / "new"), exported, SILENT)
    again = export(Settings(data_dir=tmp_path / "new"), tmp_path / "again", SILENT)
    assert again.sha256 == header(exported)["sha256"]
    assert (tmp_path / "again").read_bytes()[4096:] == exported.read_bytes()[4096:]


def test_what_was_removed_is_not_in_the_file(exported: Path) -> None:
    text = gzip.decompress(exported.read_bytes()[4096:]).decode()
    assert f'"p{PAPERS - 1}"' in text
    assert f'"p{PAPERS}"' not in text and paper(PAPERS).abstract not in text and paper(3).abstract not in text


def test_an_empty_collection_is_filled_in_place(exported: Path, tmp_path: Path) -> None:
    with Assistant.open(tmp_path, embedder=HashEmbedder("other")) as assistant:
        assistant.add([paper(0)])
        assistant.remove(["p0"])
        import_file(assistant.settings, exported, SILENT)
    with Assistant.open(tmp_path, embedder=HashEmbedder()) as assistant:  # the vectors are those of the file
        assert assistant.search(words_of(7), k=1)[0].paper_id == "p7"


def test_a_collection_with_papers_is_not_written_over(exported: Path, tmp_path: Path) -> None:
    with Assistant.open(tmp_path, embedder=HashEmbedder()) as assistant:
        assistant.add([paper(90)])
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="holds 1 papers. Give --merge .* or --data-dir"):
        import_file(Settings(data_dir=tmp_path), exported, SILENT)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("salt, embedded", [("", 0), ("other", PAPERS)])
def test_merging_embeds_only_what_the_file_has_no_such_vectors_of(
    exported: Path, tmp_path: Path, salt: str, embedded: int
) -> None:
    told: list[str] = []
    with Assistant.open(tmp_path, embedder=HashEmbedder(salt)) as assistant:
        assistant.add([paper(0, version=1), paper(90)])
        done = merge(assistant.collection, exported, SILENT, told.append)
        assert (done.papers, done.added, done.unchanged) == (PAPERS, PAPERS - 1, 1)
        assert abs(done.embedded - embedded) <= 1  # p0 was embedded before
        assert bool(told) == bool(embedded)
        assert assistant.search(words_of(90), k=1)[0].paper_id == "p90"
        assert assistant.search(words_of(20), k=1)[0].paper_id == "p20"
        again = merge(assistant.collection, exported, SILENT)
        assert (again.added, again.updated, again.embedded) == (0, 0, 0)


def test_an_export_is_one_state_while_somebody_writes(tmp_path: Path) -> None:
    with Assistant.open(tmp_path / "data", embedder=HashEmbedder(), ingest_batch=4) as assistant:
        assistant.add([paper(number) for number in range(20)])
        ended = threading.Event()

        def write() -> None:
            with Assistant.open(tmp_path / "data", embedder=HashEmbedder(), ingest_batch=4) as writer:
                for version in range(1, 6):
                    writer.add([paper(number, version) for number in range(20)])
            ended.set()

        thread = threading.Thread(target=write)
        thread.start()
        files = []
        while not ended.is_set() or not files:
            files.append(tmp_path / f"{len(files)}.citewell")
            export(assistant.settings, files[-1], SILENT)  # raises if papers and digest do not fit together
        thread.join()
    assert len({header(file)["collection"] for file in files}) > 1 or len(files) == 1


def test_papers_without_vectors_are_embedded_when_they_are_next_read(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "data")
    library = Library(tmp_path / "data" / "library.db")
    with closing(library):
        library.connection().execute(
            "DELETE FROM passages WHERE content_hash IN (SELECT content_hash FROM papers WHERE row <= 12)"
        )
    export(Settings(data_dir=tmp_path / "data"), tmp_path / "file", SILENT)
    import_file(Settings(data_dir=tmp_path / "new"), tmp_path / "file", SILENT)
    embedder = HashEmbedder()
    with Assistant.open(tmp_path / "new", embedder=embedder) as assistant:
        assistant.add([paper(6)])
        assert embedder.embedded == 12
        assert assistant.search(words_of(7), k=1)[0].paper_id == "p7"


# --- files that are none ---------------------------------------------------------------------------------


def header(path: Path) -> Any:
    return json.loads(path.read_bytes()[:4096])


def rewritten(
    path: Path, change: Callable[[list[Any]], None] = lambda lines: None, **fields: object
) -> bytes:
    """The bytes of a file whose lines and header were changed by somebody who knows how to make checksums."""
    data = path.read_bytes()
    lines = [json.loads(line) for line in gzip.decompress(data[4096:]).splitlines()]
    change(lines)
    text = "".join(
        json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines
    ).encode()
    packed = gzip.compress(text, 1)
    sums = {"expanded": len(text), "stored": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    return json.dumps({**header(path), **sums, **fields}).encode().ljust(4095) + b"\n" + packed


def edit(**fields: object) -> Callable[[list[Any]], None]:
    return lambda lines: lines[3].update(fields)


def nan_vectors(lines: list[Any]) -> None:
    data = np.frombuffer(base64.b64decode(lines[0]["vectors"]), dtype="<f2").copy()
    data[0] = np.nan
    lines[0]["vectors"] = base64.b64encode(data.tobytes()).decode()


def bomb(path: Path) -> bytes:
    packed = gzip.compress(b"0" * 300_000_000, 1)
    sums = {"expanded": 300_000_000, "stored": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    return json.dumps({**header(path), **sums}).encode().ljust(4095) + b"\n" + packed


def hidden_bomb(path: Path) -> bytes:
    packed = gzip.compress(b"0" * 300_000_000, 1)
    sums = {"expanded": 1_000, "stored": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    return json.dumps({**header(path), **sums}).encode().ljust(4095) + b"\n" + packed


Make = Callable[[Path], bytes]
BROKEN: dict[str, tuple[Make, str]] = {
    "empty": (lambda path: b"", "no exported collection"),
    "a listing page": (lambda path: b"Page 000\nTitle\n" * 1_000, "no exported collection"),
    "a tar": (lambda path: b"../../etc/passwd".ljust(10_240, b"\0"), "no exported collection"),
    "a list": (lambda path: b"[1, 2]".ljust(5_000), "no exported collection"),
    "nested without end": (lambda path: b"[" * 5_000, "no exported collection"),
    "no version": (lambda path: b'{"format": "citewell-collection", "version": "1"}'.ljust(4_096), "no exported"),
    "newer": (lambda path: rewritten(path, version=2), "version 2 of the format, this Citewell reads 1. Upgrade"),
    "header edited": (lambda path: rewritten(path, papers=-1), "damaged header: papers"),
    "header cut": (lambda path: path.read_bytes()[:300], "no exported collection"),
    "cut": (lambda path: path.read_bytes()[:-1_000], "it holds .* bytes of papers, and says"),
    "longer": (lambda path: path.read_bytes() + b"x", "it holds .* bytes of papers, and says"),
    "one bit": (lambda path: path.read_bytes()[:-900] + b"~" + path.read_bytes()[-899:], "checksum"),
    "not packed": (lambda path: rewritten(path)[:4096] + b"x", "it holds 1 bytes"),
    "other digest": (lambda path: rewritten(path, collection="0" * 32), "does not hold the 40 papers"),
    "other count": (lambda path: rewritten(path, papers=41), "does not hold the 41 papers"),
    "text edited": (lambda path: rewritten(path, edit(abstract="All is proven.")), "outside its abstract"),
    "title edited": (lambda path: rewritten(path, edit(title="Everything")), "does not hold the 40 papers"),
    "a paper missing": (lambda path: rewritten(path, lambda lines: lines.pop()), "does not hold"),
    "a paper twice": (lambda path: rewritten(path, lambda lines: lines.append(lines[0])), "'p0' twice"),
    "a field more": (lambda path: rewritten(path, edit(path="../../x")), "record 4: path: extra"),
    "a type": (lambda path: rewritten(path, edit(year="2001")), "record 4: year"),
    "no text": (lambda path: rewritten(path, edit(title="  ")), "lacks a title"),
    "vectors cut": (lambda path: rewritten(path, edit(vectors="AAAA")), "bytes of vectors"),
    "no base64": (lambda path: rewritten(path, edit(vectors="!!!")), "not base64"),
    "no number": (lambda path: rewritten(path, nan_vectors), "not of length 1"),
    "spans outside": (lambda path: rewritten(path, edit(spans=[[0, 9_999]])), "outside its abstract"),
    "other length": (lambda path: rewritten(path, dim=16), "bytes of vectors"),
    "bomb": (bomb, "expands more than 200 times"),
    "hidden bomb": (hidden_bomb, "holds more than it says"),
    "endless": (lambda path: rewritten(path, expanded=10**15), "more than CITEWELL_MAX_EXPANDED_BYTES"),
    "shorter than it says": (lambda path: rewritten(path, expanded=10**6), "bytes of its papers are missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_none_is_told_in_one_line_and_nothing_changes(
    exported: Path, tmp_path: Path, kind: str
) -> None:
    make, told = BROKEN[kind]
    file = tmp_path / "file"
    file.write_bytes(make(exported))
    with pytest.raises(UsageError, match=told) as raised:
        import_file(Settings(data_dir=tmp_path / "new"), file, SILENT)
    assert "\n" not in str(raised.value) and str(file) in str(raised.value)
    assert sorted(tmp_path.iterdir()) == [file]


def test_a_file_rewritten_as_it_was_is_read(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(rewritten(exported))
    assert import_file(Settings(data_dir=tmp_path / "new"), tmp_path / "file", SILENT).added == PAPERS


def test_a_file_exchanged_between_check_and_import_is_not_taken(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    shutil.copy(exported, file)
    monkeypatch.setattr(
        "citewell.transfer.importing.check", lambda *_: file.write_bytes(BROKEN["title edited"][0](exported))
    )
    with pytest.raises(UsageError, match="does not hold the 40 papers"):
        import_file(Settings(data_dir=tmp_path / "new"), file, SILENT)
    assert contents(tmp_path / "new")[0][0] == 0


# --- where it cannot be written --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, error, told",
    [
        ("", UsageError, "is a folder"),
        ("no/such/folder", UsageError, "There is no folder"),
        ("there", UsageError, "already a file .*--force"),
    ],
)
def test_a_target_that_will_not_do_is_told(
    source: Path, tmp_path: Path, name: str, error: type[CitewellError], told: str
) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(error, match=told):
        export(Settings(data_dir=source), tmp_path / name, SILENT)
    assert (tmp_path / "there").read_text() == "mine"
    assert export(Settings(data_dir=source), tmp_path / "there", SILENT, overwrite=True).papers == PAPERS


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoCollectionError):
        export(Settings(data_dir=tmp_path / "none"), tmp_path / "file", SILENT)
    Assistant.open(tmp_path / "empty").close()
    with pytest.raises(NoCollectionError, match="nothing to export"):
        export(Settings(data_dir=tmp_path / "empty"), tmp_path / "file", SILENT)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files of this process can have 33,000 bytes, as on a disk that is full; SQLite needs 32,768 to read at all."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (33_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_the_file_that_was_there(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_disk: None
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr("citewell.transfer.container.LEVEL", 0)
    with pytest.raises(CollectionError, match="Cannot write .*: File too large. Free some space"):
        export(Settings(data_dir=source), tmp_path / "file", SILENT, overwrite=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


def test_a_disk_that_fills_up_takes_no_paper(exported: Path, tmp_path: Path, small_disk: None) -> None:
    with pytest.raises(CollectionError, match="\\."):
        import_file(Settings(data_dir=tmp_path / "new"), exported, SILENT)
    held = Library(tmp_path / "new" / "library.db") if (tmp_path / "new" / "library.db").exists() else None
    if held is not None:
        with closing(held):
            assert held.manifest().papers == 0


def test_too_little_space_is_told_before_anything_is_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citewell.library.upkeep.free_space", lambda folder: 1_000)
    with pytest.raises(CollectionError, match="0 MB of free space, and importing this file takes up to"):
        import_file(Settings(data_dir=tmp_path / "new"), exported, SILENT)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written_to_is_told(source: Path, exported: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CollectionError, match="Permission denied"):
            export(Settings(data_dir=source), tmp_path / "file", SILENT)
        with pytest.raises(CollectionError, match="Permission denied"):
            import_file(Settings(data_dir=tmp_path / "new"), exported, SILENT)
    finally:
        tmp_path.chmod(0o700)


# --- killed ----------------------------------------------------------------------------------------------

_RUN = """
import os, signal, sys
from pathlib import Path
from citewell.settings import Settings
from citewell.transfer import export, import_file

class Dies:
    def start(self, stage, total): self.stage, self.left = stage, total // 2
    def papers(self, count): ...
    def advance(self, amount):
        self.left -= amount
        if self.stage == sys.argv[4] and self.left <= 0: os.kill(os.getpid(), signal.SIGKILL)

data, file = Path(sys.argv[2]), Path(sys.argv[3])
if sys.argv[1] == "export": export(Settings(data_dir=data), file, Dies(), overwrite=True)
else: import_file(Settings(data_dir=data), file, Dies())
"""


def killed(*argv: object) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, argv)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def test_a_killed_export_leaves_the_old_file_and_the_next_one_tidies_up(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    killed("export", source, target, "exporting")
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    export(Settings(data_dir=source), target, SILENT, overwrite=True)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("stage", ["checking", "importing", "indexing"])
def test_a_killed_import_took_all_papers_or_none(
    source: Path, exported: Path, tmp_path: Path, stage: str
) -> None:
    data = tmp_path / "new"
    killed("import", data, exported, stage)
    if stage != "indexing":
        assert not (data / "library.db").exists() or contents(data)[0][0] == 0
        import_file(Settings(data_dir=data), exported, SILENT)
    assert contents(data) == contents(source)
    with Assistant.open(data, embedder=HashEmbedder()) as assistant:  # the first question finishes the index
        assert assistant.search(words_of(7), k=1)[0].paper_id == "p7"
        assert assistant.collection.snapshot().generation is not None


# --- the commands ----------------------------------------------------------------------------------------


def test_the_commands_print_what_they_did(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, new = tmp_path / "file", tmp_path / "new"
    assert cli.main(["export", str(file), "--data-dir", str(source), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["papers"] == PAPERS and written["bytes"] == file.stat().st_size
    assert written["sha256"] == hashlib.sha256(file.read_bytes()[4096:]).hexdigest()
    assert cli.main(["import", str(file), "--data-dir", str(new), "--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert (read["added"], read["collection"]) == (PAPERS, written["collection"])
    assert cli.main(["import", str(file), "--data-dir", str(new)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert cli.main(["export", str(file), "--data-dir", str(new), "--force"]) == 0
    assert capsys.readouterr().out.startswith(f"Wrote {PAPERS} papers to")


def test_an_import_waits_for_no_writer(exported: Path, tmp_path: Path) -> None:
    Assistant.open(tmp_path / "data").close()
    with closing(Collection(Settings(data_dir=tmp_path / "data"))) as collection:
        started = threading.Event()

        def hold(writer: object) -> None:
            started.set()
            time.sleep(0.3)

        thread = threading.Thread(target=collection.change, args=(hold,))
        thread.start()
        started.wait()
        with pytest.raises(CollectionError, match="is being written to by process"):
            import_file(Settings(data_dir=tmp_path / "data"), exported, SILENT)
        thread.join()
