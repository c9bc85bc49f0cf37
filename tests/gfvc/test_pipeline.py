"""Overlapping work: order, errors, ends, and how much is on its way."""

from __future__ import annotations

import threading
import time

import pytest

from gfvc.pipeline import overlap


def identity(item):
    return lambda: item


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_however_long_each_takes(workers):
    seen = []

    def work(item):
        return lambda: time.sleep(0.003 * (item % 3)) or item

    overlap(range(30), work, seen.append, workers)
    assert seen == list(range(30))


def test_work_is_called_in_order_in_the_calling_thread():
    called = []

    def work(item):
        called.append((item, threading.current_thread()))
        return identity(item)

    overlap(range(10), work, lambda result: None, 3)
    assert called == [(item, threading.main_thread()) for item in range(10)]


def test_few_items_are_on_their_way():
    """However slow the end is, and however many items there are."""
    taken, used, most = 0, 0, 0

    def items():
        nonlocal taken, most
        for _ in range(60):
            taken += 1
            most = max(most, taken - used)
            yield taken

    def use(_):
        nonlocal used
        time.sleep(0.001)
        used += 1

    overlap(items(), identity, use, 2)
    assert used == 60
    assert most <= 2 * 2 + 2 + 2


def test_each_result_is_used_as_soon_as_it_is_there():
    """A live source gives the next item only when the one before is shown."""
    shown = threading.Event()

    def items():
        for number in range(5):
            if number:
                assert shown.wait(10)
                shown.clear()
            yield number

    overlap(items(), identity, lambda _: shown.set(), 2)


class FaultError(Exception):
    pass


def fail(*_):
    raise FaultError


def test_error_of_the_input_comes_after_all_results_before_it():
    def items():
        yield from range(7)
        raise FaultError

    seen = []
    with pytest.raises(FaultError):
        overlap(items(), identity, seen.append, 2)
    assert seen == list(range(7))


def test_error_of_work_comes_after_the_results_before_it():
    seen = []
    with pytest.raises(FaultError):
        overlap(range(50), lambda item: fail if item == 7 else identity(item), seen.append, 2)
    assert seen == list(range(7))


def test_error_of_use_ends_the_rest():
    taken = []

    def use(result):
        if result == 3:
            raise FaultError

    with pytest.raises(FaultError):
        overlap((taken.append(item) or item for item in range(1000)), identity, use, 2)
    assert len(taken) < 20


def test_interruption_leaves_no_thread():
    before = threading.active_count()

    def items():
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        overlap(items(), identity, lambda _: None, 2)
    assert threading.active_count() == before
