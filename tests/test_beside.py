"""Work is done beside the caller, in order, and a forked child or a closed one starts anew."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future

import pytest
from citewell.beside import Beside


def test_work_is_done_by_few_threads_that_are_kept() -> None:
    beside = Beside()
    names = {beside.submit(lambda: threading.current_thread().name).result() for _ in range(20)}
    assert threading.current_thread().name not in names
    assert len(names) <= 5 and all(name.startswith("citewell-beside") for name in names)
    beside.close()


def test_work_may_wait_for_work_before_it_however_much_there_is() -> None:
    beside = Beside()
    firsts = [beside.submit(pow, number, 2) for number in range(200)]
    seconds = [beside.submit(first.result) for first in firsts]
    assert [one.result(10) for one in seconds] == [number**2 for number in range(200)]
    beside.close()


def test_a_failure_reaches_who_asks_for_the_result() -> None:
    beside = Beside()
    failed: Future[int] = beside.submit(int, "no number")
    with pytest.raises(ValueError, match="no number"):
        failed.result(10)
    beside.close()


def test_it_can_be_used_again_after_closing() -> None:
    beside = Beside()
    running = beside.submit(pow, 3, 2)
    beside.close()
    assert running.result(10) == 9
    assert beside.submit(pow, 4, 2).result(10) == 16
    beside.close()
    beside.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    beside = Beside()
    assert beside.submit(pow, 2, 2).result(10) == 4
    child = os.fork()
    if child == 0:
        try:
            os._exit(beside.submit(pow, 5, 2).result(10))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 25
    beside.close()
