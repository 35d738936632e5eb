"""Several at once give what one after the other gives; leaving early stops what still runs."""

import time
from contextlib import closing
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtours.fetch import at_once as module
from wtours.fetch.at_once import at_once


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 4))
def test_results_are_those_of_a_plain_loop(items: list[int], jobs: int) -> None:
    """In whatever order they come; what work raises is a result too."""

    def work(item: int, stop: Event) -> float:
        return 1 / item

    came = [
        (item, type(result) if isinstance(result, BaseException) else result)
        for item, result in at_once(items, work, jobs=jobs)
    ]
    plain = [(item, 1 / item if item else ZeroDivisionError) for item in items]
    assert sorted(came, key=str) == sorted(plain, key=str)


def test_never_more_than_asked_run_at_a_time() -> None:
    running, most = [0], [0]

    def work(item: int, stop: Event) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        running[0] -= 1
        return item

    assert sorted(item for item, _ in at_once(range(8), work, jobs=3)) == list(range(8))
    assert most[0] in (2, 3)


def test_leaving_early_stops_the_others_and_starts_no_more() -> None:
    begun, stopped = [], []

    def work(item: int, stop: Event) -> int:
        begun.append(item)
        if item and stop.wait(10):
            stopped.append(item)
            raise KeyboardInterrupt
        return item

    began = time.monotonic()
    with closing(at_once(range(9), work, jobs=3)) as results:
        assert next(results) == (0, 0)
    assert time.monotonic() - began < 5
    assert sorted(stopped) == sorted(set(begun) - {0})
    assert len(begun) <= 4


def test_those_that_do_not_listen_are_left_behind_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One patience for all, not one for each."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.2)
    for_ever = Event()

    def work(item: int, stop: Event) -> None:
        if item:
            for_ever.wait(30)

    with closing(at_once(range(9), work, jobs=9)) as results:
        next(results)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    for_ever.set()


def test_interruption_of_one_alone_goes_through() -> None:
    def work(item: int, stop: Event) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(at_once([1, 2], work, jobs=1))
