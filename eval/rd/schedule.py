"""Where tasks run: processes of this machine, or a Ray cluster. Results come back in any order."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from gfvc.errors import GfvcError

from . import work

Work = Callable[[work.Task], work.Outcome]
# Tasks handed out at once, for each worker: enough to keep it busy, few enough to hold in memory.
AHEAD = 2


def _one_thread() -> None:
    """A worker uses one core; its parent decides how many workers there are."""
    import torch

    torch.set_num_threads(1)


def _attempt(do: Work, task: work.Task) -> work.Outcome | Exception:
    """A failure is a result: one clip must not end the others' work."""
    try:
        return do(task)
    except Exception as error:
        return error


def local(
    tasks: Iterable[tuple[Any, work.Task]], workers: int | None = None, do: Work = work.run
) -> Iterator[tuple[Any, work.Outcome | Exception]]:
    """Run (name, task) pairs in ``workers`` processes (None: one a core); yields (name, outcome or what it raised)."""
    workers = workers or len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    # Threads of OpenMP that wait for work would take the core of another worker; read when a worker starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        try:
            yield from _rolling(
                tasks,
                AHEAD * workers,
                lambda task: pool.submit(_attempt, do, task),
                lambda pending: wait(pending, return_when=FIRST_COMPLETED).done,
                lambda done: done.exception() or done.result(),
            )
        except BaseException:
            # Ctrl-C: what has not begun is dropped, what runs is ended.
            for process in pool._processes.values():
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ray_cluster(
    address: str, tasks: Iterable[tuple[Any, work.Task]], do: Work = work.run
) -> Iterator[tuple[Any, work.Outcome | Exception]]:
    """The same on a Ray cluster, one CPU a task; `auto` is the cluster this machine belongs to.

    The packages of this checkout are sent along: nodes need Python and the dependencies. Raises GfvcError if Ray is not
    installed or the cluster cannot be reached.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise GfvcError("--ray: Ray is not installed: pip install gfvc[ray]") from None
    _check_reachable(address)
    root = Path(__file__).resolve().parents[2]
    packages = [str(root / name) for name in ("gfvc", "bitstream", "datasets", "eval")]
    try:
        ray.init(
            address=address,
            runtime_env={"py_modules": packages, "env_vars": {"OMP_NUM_THREADS": "1"}},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise GfvcError(f"--ray {address}: no cluster there ({error}); start one with ray start --head") from None
    try:
        remote = ray.remote(num_cpus=1, max_retries=2)(_attempt)
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield from _rolling(
            tasks,
            AHEAD * cores,
            lambda task: remote.remote(do, task),
            lambda pending: ray.wait(list(pending), num_returns=1)[0],
            lambda done: _got(ray, done),
        )
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself tries for more than a minute.

    Raises GfvcError if nothing listens at HOST:PORT; other forms of address are left to Ray.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise GfvcError(f"--ray {address}: no cluster there ({error}); start one with ray start --head") from None


def _got(ray: Any, reference: Any) -> work.Outcome | Exception:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        return error


def _rolling(tasks, ahead: int, submit, first_done, result) -> Iterator[tuple[Any, work.Outcome | Exception]]:
    """Keep ``ahead`` tasks under way; the tasks themselves are made only when their turn comes."""
    pending: dict[Any, Any] = {}
    source = iter(tasks)
    while True:
        while len(pending) < ahead and (following := next(source, None)) is not None:
            pending[submit(following[1])] = following[0]
        if not pending:
            return
        for done in first_done(pending.keys()):
            yield pending.pop(done), result(done)
