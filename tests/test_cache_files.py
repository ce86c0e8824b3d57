"""Threads and processes share a cache, and one that cannot be used never costs an answer."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from citewell.cache import AnswerCache
from sample_answers import ANSWER, REFUSAL

CURE = "Free space there, make it writable, or set answer_cache to 0."


def numbered(number):
    return replace(ANSWER, question=f"Question {number}")


def kept(cache, numbers):
    return [number for number in numbers if cache.get(str(number)) is not None]


@pytest.fixture
def told():
    return []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.db"


@pytest.fixture
def cache(path, told):
    return AnswerCache(path, 3, told.append)


# --- files that are not as they should be ------------------------------------------------------------------


def execute(path, *statements):
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def garbage(path):
    path.write_bytes(b"These are no answers. " * 500)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def foreign(path):
    path.unlink()
    execute(path, "CREATE TABLE papers(title TEXT)", "PRAGMA user_version = 1")


def foreign_empty(path):
    path.unlink()
    execute(path, "PRAGMA application_id = 7", "PRAGMA user_version = 1")


@pytest.mark.parametrize("damage", [garbage, cut, overwritten, foreign, foreign_empty])
def test_a_damaged_or_foreign_file_is_set_aside(cache, path, told, damage):
    cache.put("k", ANSWER)
    damage(path)
    before = path.read_bytes()
    assert cache.get("k") is None
    cache.put("k", REFUSAL)
    assert cache.get("k") == REFUSAL
    assert path.with_name("answers.db.damaged").read_bytes() == before
    assert len(told) == 1 and told[0].startswith(f"The answer cache {path} begins anew: ")
    assert "\n" not in told[0]


def test_a_cache_of_another_schema_begins_anew(cache, path, told):
    cache.put("k", ANSWER)
    execute(path, "ALTER TABLE answers DROP COLUMN sha256", "PRAGMA user_version = 99")
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER
    assert told == [] and sorted(os.listdir(path.parent)) == ["answers.db"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET document = replace(document, '1.2 times', '1.3 times')",
        "UPDATE answers SET document = 'no bytes'",
        "UPDATE answers SET key = 'k' WHERE key = 'other'",
    ],
)
def test_an_answer_that_changed_on_the_disk_is_not_given(cache, path, change):
    cache.put("other", ANSWER)
    if "other" not in change:
        cache.put("k", ANSWER)
    execute(path, change)
    assert cache.get("k") is None
    cache.put("k", REFUSAL)
    assert cache.get("k") == REFUSAL


def test_an_answer_of_another_form_is_not_given(cache):
    @dataclass(frozen=True)
    class Older:
        error: None = None

        def to_dict(self):
            return {"question": "Why?", "sentences": "So."}

    cache.put("k", Older())
    assert cache.get("k") is None


def directory(path):
    path.mkdir()


def no_folder(path):
    path.parent.rmdir()


@pytest.mark.parametrize("obstacle", [directory, no_folder])
def test_where_no_file_can_be_the_reason_is_told_once(cache, path, told, obstacle):
    obstacle(path)
    for _ in range(2):
        cache.put("k", ANSWER)
        assert cache.get("k") is None
    assert told == [f"No answers are cached in {path}: unable to open database file. {CURE}"]


def test_a_cache_without_its_table_costs_no_answer(cache, path, told):
    cache.put("k", ANSWER)
    execute(path, "DROP TABLE answers")
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    assert len(told) == 1 and "no such table" in told[0]


_READER = """
import json, os, sys
from pathlib import Path
from citewell.cache import AnswerCache, answer_from_dict
answer = answer_from_dict(json.loads(sys.argv[2]))
if os.getuid() == 0:  # to whom nothing is read-only
    os.setgid(65534)
    os.setuid(65534)
told = []
cache = AnswerCache(Path(sys.argv[1]), 3, told.append)
found = cache.get("k") == answer
cache.put("new", answer)
print(json.dumps([found, cache.get("new") is None, told]))
"""


def test_a_read_only_folder_costs_no_answer():
    # A folder of its own below /tmp: another user may not enter those of pytest.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "answers.db"
        AnswerCache(path, 3).put("k", ANSWER)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        read = run(_READER, path, json.dumps(ANSWER.to_dict()))
        path.parent.chmod(0o755)
    _, unknown, told = json.loads(read)
    assert unknown and len(told) == 1 and CURE in told[0]


_FULL = """
import json, resource, sys
from pathlib import Path
from citewell.cache import AnswerCache, answer_from_dict
answer = answer_from_dict(json.loads(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
told = []
cache = AnswerCache(Path(sys.argv[1]), 1000, told.append)
for number in range(200):
    cache.put(str(number), answer)
old = cache.get("old") == answer
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps([old, cache.get("199") is None, told]))
"""


@pytest.mark.parametrize("limit", [0, 100, 5_000, 20_000])
def test_a_full_disk_costs_no_answer(path, limit):
    AnswerCache(path, 1000).put("old", ANSWER)
    written = run(_FULL, path, json.dumps(ANSWER.to_dict()), limit)
    _, unknown, told = json.loads(written)
    assert unknown and told and all(line.startswith(f"No answers are cached in {path}") for line in told)
    assert AnswerCache(path, 1000).get("old") == ANSWER
    assert sorted(os.listdir(path.parent)) == ["answers.db"]


# --- several at once -----------------------------------------------------------------------------------


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_WRITER = """
import json, sys
from dataclasses import replace
from pathlib import Path
from citewell.cache import AnswerCache, answer_from_dict
answer = answer_from_dict(json.loads(sys.argv[2]))
cache = AnswerCache(Path(sys.argv[1]), 30, lambda message: print(message, flush=True))
sys.stdin.readline()
for number in range(int(sys.argv[3]), 60, 2):
    cache.put(str(number), replace(answer, question=str(number)))
    for other in range(number % 7, 60, 7):
        found = cache.get(str(other))
        if found is not None and found.question != str(other):
            print("mixed up", other, found.question)
"""


def start_writers(path):
    """Two processes that wait for a line before they write."""
    command = [sys.executable, "-c", _WRITER, path, json.dumps(ANSWER.to_dict())]
    writers = [
        subprocess.Popen([*command, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for first in (0, 1)
    ]
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    return [(*writer.communicate(timeout=60), writer.returncode) for writer in writers]


def test_two_processes_write_one_new_cache(path):
    for said, _, status in start_writers(path):
        assert (said, status) == ("", 0)
    assert len(kept(AnswerCache(path, 30), range(60))) == 30


def test_two_processes_get_over_one_damaged_cache(path):
    garbage(path)
    for said, _, status in start_writers(path):
        assert status == 0 and "mixed up" not in said
    cache = AnswerCache(path, 30)
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER


def test_threads_share_a_cache(path, told):
    cache = AnswerCache(path, 100, told.append)
    wrong = []

    def work(first):
        for number in range(first, 40, 4):
            cache.put(str(number), numbered(number))
            found = cache.get(str(number))
            if found != numbered(number):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (wrong, told) == ([], [])
    assert kept(cache, range(40)) == list(range(40))


def test_a_cache_that_is_deleted_meanwhile_begins_anew(cache, path, told):
    cache.put("k", ANSWER)
    for file in path.parent.iterdir():
        file.unlink()
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER and told == []


def test_somebody_elses_long_transaction_is_not_waited_for_long(path, told, monkeypatch):
    monkeypatch.setattr("citewell.cache._BUSY", 0.05)
    cache = AnswerCache(path, 3, told.append)
    cache.put("k", ANSWER)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    cache.put("new", ANSWER)
    assert cache.get("k") == ANSWER  # in WAL mode, reading does not wait for writing
    other.rollback()
    other.close()
    assert cache.get("new") is None
    assert told == [f"No answers are cached in {path}: database is locked. {CURE}"]
