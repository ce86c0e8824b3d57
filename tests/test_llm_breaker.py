"""The circuit breaker, on a clock of the test's."""

from __future__ import annotations

import threading

import pytest
from citewell.llm.breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(limit=3, cooldown=30.0, clock=clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for number in range(times):
        assert breaker.refusal() is None
        breaker.failed(f"Failure {number + 1}.")


def test_it_lets_calls_through_until_enough_have_failed_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 3)
    assert breaker.refusal() == (
        "It is left alone for another 30 s. It failed 3 times in a row, the last time like this: Failure 3."
    )


def test_it_counts_the_wait_down(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 29.5
    assert str(breaker.refusal()).startswith("It is left alone for another 1 s.")


def test_after_the_wait_one_call_tries_and_the_others_are_told(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    assert str(breaker.refusal()).startswith("One request is trying whether it is back. It failed 3 times")


def test_a_trial_that_succeeds_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.refusal() is None


def test_a_trial_that_fails_opens_it_for_as_long_again(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    breaker.failed("Still down.")
    assert str(breaker.refusal()) == (
        "It is left alone for another 30 s. It failed 4 times in a row, the last time like this: Still down."
    )


def test_a_trial_that_is_given_up_leaves_the_next_call_to_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    breaker.abandoned()
    assert breaker.refusal() is None
    assert breaker.refusal() is not None


def test_a_call_given_up_is_neither_failure_nor_success(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    assert breaker.refusal() is None
    breaker.abandoned()
    fail(breaker, 1)
    assert breaker.refusal() is not None


def test_a_call_from_before_that_succeeds_closes_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 3)
    breaker.succeeded()
    assert breaker.refusal() is None


def test_of_many_threads_one_may_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    refusals: list[str | None] = []
    threads = [threading.Thread(target=lambda: refusals.append(breaker.refusal())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refusals.count(None) == 1
