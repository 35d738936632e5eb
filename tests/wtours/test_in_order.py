import threading
import time

import pytest

from wtours.in_order import InOrder


@pytest.mark.parametrize("beside", [False, True])
def test_calls_are_done_in_order(beside: bool) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.001 * (number % 3))
        done.append(number)

    with InOrder(beside=beside) as in_order:
        for number in range(40):
            in_order(lambda number=number: work(number))  # type: ignore[misc]
    assert done == list(range(40))


@pytest.mark.parametrize("beside", [False, True])
def test_a_fault_reaches_the_caller_and_ends_the_work(beside: bool) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise ValueError("three")
        done.append(number)

    def hand_over() -> None:
        with InOrder(beside=beside) as in_order:
            for number in range(100):
                in_order(lambda number=number: work(number))  # type: ignore[misc]
                time.sleep(0.001)

    with pytest.raises(ValueError, match="three"):
        hand_over()
    assert done[:3] == [0, 1, 2]
    assert len(done) < 20


def test_a_fault_of_the_last_call_is_not_lost() -> None:
    def late() -> None:
        time.sleep(0.05)
        raise ValueError("late")

    def hand_over() -> None:
        with InOrder(beside=True) as in_order:
            in_order(lambda: None)
            in_order(late)

    with pytest.raises(ValueError, match="late"):
        hand_over()


def test_a_fault_of_the_caller_drops_what_waits() -> None:
    done: list[int] = []
    gate = threading.Event()

    def slow() -> None:
        gate.wait(1)
        done.append(0)

    def hand_over() -> None:
        with InOrder(beside=True) as in_order:
            in_order(slow)
            for number in range(1, 4):
                in_order(lambda number=number: done.append(number))  # type: ignore[misc]
            gate.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over()
    assert done in ([0], [0, 1], [0, 1, 2])


def test_few_wait_at_a_time() -> None:
    """Each holds a decoded frame."""
    gate, handed = threading.Event(), list[int]()

    def hand_over() -> None:
        with InOrder(beside=True) as in_order:
            for number in range(50):
                in_order(gate.wait)  # type: ignore[arg-type]
                handed.append(number)

    caller = threading.Thread(target=hand_over)
    caller.start()
    time.sleep(0.2)
    assert len(handed) <= 6
    gate.set()
    caller.join(5)
    assert len(handed) == 50
