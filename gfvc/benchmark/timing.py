"""Times of calls."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def median_ms(call: Callable[[], object], seconds: float = 1.0, least: int = 3) -> float:
    """Median time of a call in milliseconds, after one for warming up."""
    call()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3
