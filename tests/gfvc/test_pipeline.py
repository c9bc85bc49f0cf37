"""Overlapping work: order, errors, ends, and how much is on its way."""

from __future__ import annotations

import sys
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


def left(before):
    """Threads that a process would wait for at its end, although they have had time to end."""
    threads = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in threads:
        thread.join(5)
    return [thread.name for thread in threads if thread.is_alive()]


def interrupt_at(line):
    """A tracer that raises KeyboardInterrupt at the n-th line that `overlap` comes to."""
    passed = 0

    def trace(frame, event, argument):
        nonlocal passed
        if frame.f_code is not overlap.__code__:
            return None
        passed += event == "line"
        if passed == line:
            raise KeyboardInterrupt
        return trace

    return trace


def test_interruption_anywhere_leaves_nothing_that_a_process_would_wait_for():
    """An interrupted command has to end."""
    before, tracer, interrupted = set(threading.enumerate()), sys.gettrace(), 0
    while True:
        sys.settrace(interrupt_at(interrupted + 1))
        try:
            overlap(range(2), identity, lambda _: None, 2)
        except KeyboardInterrupt:
            interrupted += 1
        else:
            break
        finally:
            sys.settrace(tracer)
        assert not left(before), f"after an interrupt at line {interrupted}"
    assert interrupted > 20


def test_interruption_while_a_thread_starts(monkeypatch):
    """The thread that starts others waits for each to be there, which takes long on a busy machine."""
    before, start = set(threading.enumerate()), threading.Thread.start

    def interrupted_start(thread):
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        overlap(range(2), identity, lambda _: None, 2)
    assert not left(before)
