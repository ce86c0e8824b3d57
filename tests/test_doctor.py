"""`citewell doctor`: what is sound passes, what is broken is found, and each fault has a cure."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from citewell import Assistant, Paper, cli
from citewell.doctor import (
    Check,
    CheckVerdict,
    Diagnosis,
    check_disk,
    check_language_model,
    check_model,
    check_packages,
    check_python,
    examine,
    show_diagnosis,
)
from citewell.embedding.minilm import MiniLM
from citewell.errors import ModelError
from citewell.settings import Settings
from citewell.terminal import make_console, write
from filelock import FileLock

PAPERS = [Paper(f"Paper {n}", f"Method {n} measures {n} bees. It takes {n} days.", f"p{n}") for n in range(8)]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "data"
    with Assistant.open(path) as assistant:
        assistant.add(PAPERS)
    return path


@pytest.fixture
def data_dir(collection: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the collection, to be broken."""
    shutil.copytree(collection, tmp_path / "data")
    yield tmp_path / "data"


def verdicts(diagnosis: Diagnosis) -> dict[str, CheckVerdict]:
    return {check.name: check.verdict for check in diagnosis.checks}


def check_of(diagnosis: Diagnosis, name: str) -> Check:
    return next(check for check in diagnosis.checks if check.name == name)


def test_a_sound_collection_passes_every_check(data_dir: Path) -> None:
    diagnosis = examine(data_dir)
    faults = [check for check in diagnosis.checks if check.verdict != "ok" and check.name != "disk space"]
    assert faults == []
    assert list(verdicts(diagnosis)) == [
        "python", "packages", "embedding model",
        "language model", "disk space", "library", "writing", "vector index",
    ]  # fmt: skip
    assert check_of(diagnosis, "vector index").detail == "holds all 8 papers, finds 8 of 8 asked for"
    assert diagnosis.exit_status == 0


def test_looking_changes_nothing(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "vectors")
    examine(data_dir)
    assert not (data_dir / "vectors").exists()


def test_no_collection_is_no_fault_and_none_is_made(tmp_path: Path) -> None:
    diagnosis = examine(tmp_path / "none")
    library = check_of(diagnosis, "library")
    assert (library.verdict, diagnosis.exit_status) == ("warn", 0)
    assert library.cure == f"Build one with `citewell ingest FILES --data-dir {tmp_path}/none`."
    assert not (tmp_path / "none").exists()


def test_an_empty_collection_is_told(tmp_path: Path) -> None:
    Assistant.open(tmp_path).close()
    diagnosis = examine(tmp_path)
    assert check_of(diagnosis, "library").verdict == "warn"
    assert check_of(diagnosis, "vector index").verdict == "ok"


def test_a_missing_index_is_found_and_rebuilt(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "vectors")
    before = examine(data_dir)
    index = check_of(before, "vector index")
    assert (index.verdict, before.exit_status) == ("fail", 1)
    assert "is missing" in index.detail and "doctor --rebuild" in index.cure
    after = examine(data_dir, rebuild=True)
    assert (check_of(after, "vector index").verdict, after.exit_status) == ("ok", 0)


def test_an_index_without_its_vectors_is_found(data_dir: Path) -> None:
    for file in (data_dir / "vectors").rglob("*"):
        if file.is_file():
            file.write_bytes(b"\0" * 100)
    index = check_of(examine(data_dir), "vector index")
    assert index.verdict == "fail" and "--rebuild" in index.cure


def test_an_index_that_lost_papers_is_found(data_dir: Path) -> None:
    with Assistant.open(data_dir) as assistant:
        published = assistant.collection.library.manifest().generation
        generation = assistant.collection.store.open(published)
        generation.remove(["p3", "p4"])
        generation.close()
    index = check_of(examine(data_dir), "vector index")
    assert (index.verdict, index.detail) == ("fail", "does not find 2 of 8 papers asked for")


def test_a_damaged_library_is_found(data_dir: Path) -> None:
    library = data_dir / "library.db"
    content = bytearray(library.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    library.write_bytes(content)
    diagnosis = examine(data_dir)
    assert (check_of(diagnosis, "library").verdict, diagnosis.exit_status) == ("fail", 1)
    assert "vector index" not in verdicts(diagnosis)


def test_a_file_that_is_no_library_is_found(data_dir: Path) -> None:
    (data_dir / "library.db").write_text("no database" * 100)
    assert check_of(examine(data_dir), "library").verdict == "fail"


def test_whoever_holds_the_lock_is_named(data_dir: Path) -> None:
    with FileLock(data_dir / "write.lock"):
        (data_dir / "writer.json").write_text(json.dumps({"pid": 4711, "host": "here", "since": "10:00:00"}))
        writing = check_of(examine(data_dir), "writing")
    assert writing.verdict == "ok" and "process 4711 on here since 10:00:00" in writing.detail


# --- the set-up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, verdict", [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok"), ((4, 0, 0), "ok")]
)
def test_the_interpreter_must_be_new_enough(version: tuple[int, int, int], verdict: str) -> None:
    assert check_python(version).verdict == verdict


@pytest.mark.parametrize(
    "needs, verdict, detail",
    [
        (["one>=1.2", "two"], "ok", "one 1.10.0, two 3.0"),
        (["one>=1.10"], "ok", "one 1.10.0"),
        (["one[extra]>=1.11"], "fail", "one 1.10.0 is older than 1.11"),
        (["one>=2", "none>=1"], "fail", "one 1.10.0 is older than 2, none is missing"),
    ],
)
def test_packages_must_be_there_and_new_enough(needs: list[str], verdict: str, detail: str) -> None:
    def version(name: str) -> str:
        try:
            return {"one": "1.10.0", "two": "3.0"}[name]
        except KeyError as error:
            raise metadata.PackageNotFoundError(name) from error

    check = check_packages(needs, version)
    assert (check.verdict, check.detail) == (verdict, detail)
    assert bool(check.cure) == (verdict == "fail")


def test_a_damaged_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: MiniLM, texts: object) -> None:
        raise ModelError("Wrong embedding model: sha256 is 1, not 2.")

    monkeypatch.setattr(MiniLM, "embed_queries", fail)
    check = check_model("minilm")
    assert (check.verdict, check.is_setup) == ("fail", True)
    assert "sha256 is 1" in check.detail


def test_a_model_on_a_server_is_not_called() -> None:
    assert check_model("openai:some-model").detail == "openai:some-model opens; it was not called"
    assert check_model("no-such-model").verdict == "fail"


def test_the_language_model_is_told_and_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "verbatim quotes" in check_language_model(Settings()).detail
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    missing = check_language_model(Settings(llm="some-model"))
    assert missing.verdict == "fail" and "OPENAI_API_KEY" in missing.detail
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")  # nothing listens there
    there = check_language_model(Settings(llm="some-model"))
    assert there.detail == "some-model at http://127.0.0.1:9/v1 opens; it was not called"


def test_little_space_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    check = check_disk(tmp_path / "not" / "made" / "yet")
    assert check.verdict == "warn" and check.detail.startswith("1.0 MB free")


# --- as a command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "checks, verdict, status",
    [
        ([("ok", True), ("ok", False)], "ok", 0),
        ([("warn", True), ("ok", False)], "warn", 0),
        ([("warn", False), ("fail", False)], "fail", 1),
        ([("fail", True), ("fail", False)], "fail", 2),
    ],
)
def test_the_exit_status_tells_set_up_from_collection(
    checks: list[tuple[CheckVerdict, bool]], verdict: str, status: int
) -> None:
    diagnosis = Diagnosis(tuple(Check("name", v, "detail", "", is_setup) for v, is_setup in checks))
    assert (diagnosis.verdict, diagnosis.exit_status) == (verdict, status)


def test_the_command_prints_json_and_rebuilds(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(data_dir / "vectors")
    assert cli.main(["doctor", "--data-dir", str(data_dir), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "fail"
    assert document["checks"][-1]["name"] == "vector index"
    assert set(document["checks"][0]) == {"name", "verdict", "detail", "cure"}
    assert cli.main(["doctor", "--data-dir", str(data_dir), "--rebuild"]) == 0
    printed = capsys.readouterr()
    assert "✓ vector index: holds all 8 papers" in printed.out and printed.err == ""


def test_there_is_nothing_to_rebuild_without_a_collection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--data-dir", str(tmp_path / "none"), "--rebuild"]) == 2
    assert capsys.readouterr().err.startswith("citewell: No collection at")


def test_a_cure_stands_below_its_fault() -> None:
    stream = io.StringIO()
    checks = (Check("one", "ok", "fine"), Check("two", "fail", "bad \x1b[2J", "Mend it."))
    write(make_console(stream), show_diagnosis(Diagnosis(checks)))
    assert stream.getvalue() == "✓ one: fine\n✗ two: bad \n  → Mend it.\n".replace("bad \n", "bad\n")
