"""Work on several items at once, results used in order: what keeps all cores busy without holding more than a few
pictures."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def overlap(
    items: Iterable[Item],
    work: Callable[[Item], Callable[[], Result]],
    use: Callable[[Result], None],
    workers: int,
    waiting: int = 2,
) -> None:
    """Take each item, do its work, use the result; all three at once for different items.

    ``items`` are drawn and ``work(item)`` is called in the calling thread, in order; the callable it returns runs on
    one of ``workers`` threads; ``use`` gets the results in the order of the items, on a thread of its own, each as soon
    as it and those before it are there. At most ``2 * workers + waiting`` items are on their way.

    An error of any of the three ends all and is raised here, after all results before it have been used. Nothing runs
    any more when this returns.
    """
    results: queue.SimpleQueue[Future[Result] | None] = queue.SimpleQueue()
    room = threading.Semaphore(2 * workers + waiting)
    stopped = threading.Event()
    failure: list[BaseException] = []

    def consume() -> None:
        while (future := results.get()) is not None:
            if not failure and not stopped.is_set():
                try:
                    use(future.result())
                except BaseException as error:
                    failure.append(error)
            room.release()

    # An interrupt may come at any point here, while it is told to end too: it must not keep the process then.
    consumer = threading.Thread(target=consume, name="gfvc-output", daemon=True)

    def end() -> None:
        results.put(None)
        if consumer.is_alive():
            consumer.join()

    with ThreadPoolExecutor(workers, thread_name_prefix="gfvc-work") as pool:
        try:
            consumer.start()
            for item in items:
                room.acquire()
                if failure:
                    break
                results.put(pool.submit(work(item)))
        except Exception as error:
            # Of the input: what has come before it is still used.
            end()
            raise (failure[0] if failure else error)  # noqa: B904
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            end()
    if failure:
        raise failure[0]
