"""The choice of what to send, over several pictures.

A change of a value costs its bits once and is of use for as long as the value stays; whether it is worth them only the
pictures after it can tell. So values are chosen for a block of pictures together, with those that follow it in sight:
for one value after the other, all others held, dynamic programming finds the course that costs least in error,
trembling and bits (after trellis quantisation, Ramchandran and Vetterli, Rate-distortion optimal fast thresholding with
complete JPEG/MPEG decoder compatibility, IEEE TIP 1994), until none gains any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bitstream.layout import VALUE_LIMIT

from .parameters import change_bits
from .registration import Fit

# Each value is looked at so often at most.
_SWEEPS = 4
# Levels beyond those that a value has, and how many there may be of both before it is left as it is: the work grows
# with their square.
_BEYOND, _MOST_LEVELS = 4, 64
# Bits that it costs to change anything in a picture in which nothing changes else: more than the coder asks for,
# because changes that come together tremble less, and a picture that is repeated is not generated anew.
_WAKING_BITS = 16.0
# Bits of the smallest change, beyond those of none.
_CHANGE_BITS = float(change_bits(np.array(1)) - change_bits(np.array(0)))


class Candidate(NamedTuple):
    """What is known of a picture. fit: of its parameters; shown: those of the picture before, as it took them to be,
    float32 [n]; values: as one would choose them for it alone, [n]."""

    fit: Fit
    shown: np.ndarray
    values: Sequence[int]


class _Course(NamedTuple):
    """Costs of a block of T pictures in quantiser steps. errors, tremblings: [T, n, n]; pulls: [T, n]: values v
    [T, n] cost v' errors v - 2 pulls v, and their changes c from picture to picture c' tremblings c."""

    errors: np.ndarray
    tremblings: np.ndarray
    pulls: np.ndarray

    @classmethod
    def of(cls, candidates: Sequence[Candidate], steps: np.ndarray) -> _Course:
        scale = np.outer(steps, steps)
        errors = np.stack([candidate.fit.metric for candidate in candidates]) * scale
        tremblings = np.stack([candidate.fit.trembling for candidate in candidates]) * scale
        best = np.stack([candidate.fit.parameters for candidate in candidates]) / steps
        changes = best - np.stack([candidate.shown for candidate in candidates]) / steps
        # The fit is the best of error and trembling against what was shown then: its slope is none.
        pulls = np.einsum("tij,tj->ti", errors, best) + np.einsum("tij,tj->ti", tremblings, changes)
        return cls(*(np.nan_to_num(part) for part in (errors, tremblings, pulls)))


def choose_together(
    candidates: Sequence[Candidate], previous: Sequence[int], steps: np.ndarray, lagrangian: float
) -> list[list[int]]:
    """Values [T][n] of a block of pictures, given those [n] of the picture before it.

    steps: of the quantiser, [n]; lagrangian: the square error that a bit is worth.
    """
    course = _Course.of(candidates, steps)
    before = np.asarray(previous, dtype=np.float64)
    values = np.array([candidate.values for candidate in candidates], dtype=np.float64)
    for _ in range(_SWEEPS):
        improved = [_improve(course, before, values, index, lagrangian) for index in range(len(before))]
        if not any(improved):
            break
    return [[int(value) for value in row] for row in np.clip(values, -VALUE_LIMIT, VALUE_LIMIT)]


def _improve(course: _Course, before: np.ndarray, values: np.ndarray, index: int, lagrangian: float) -> bool:
    """Give a value its best course, in place; whether that is another one."""
    own = values[:, index]
    low, high = (int(edge(own, initial=before[index])) for edge in (np.min, np.max))
    curve = course.errors[:, index, index]
    # Square error of a level c: curve c^2 + 2 slope c, and what does not depend on it.
    slope = np.einsum("tj,tj->t", course.errors[:, index], values) - curve * own - course.pulls[:, index]
    if low == high and _idle(curve, slope, low, lagrangian):
        return False
    levels = np.arange(low - _BEYOND, high + _BEYOND + 1, dtype=np.float64)
    if len(levels) > _MOST_LEVELS:
        return False
    changes = np.diff(values, axis=0, prepend=before[None])
    stiffness = course.tremblings[:, index, index]
    pushed = np.einsum("tj,tj->t", course.tremblings[:, index], changes) - stiffness * changes[:, index]
    changes[:, index] = 0
    waking = np.where(changes.any(1), 0.0, _WAKING_BITS)
    move = levels - levels[:, None]
    bits = change_bits(move) + waking[:, None, None] * (move != 0)
    costs = lagrangian * bits + stiffness[:, None, None] * (move * move) + 2 * pushed[:, None, None] * move
    # With the error at the level that each move leads to.
    costs += (curve[:, None] * (levels * levels) + 2 * slope[:, None] * levels)[:, None]
    best = levels[_cheapest(costs, int(before[index] - levels[0]))]
    if np.array_equal(best, own):
        return False
    values[:, index] = best
    return True


def _idle(curve: np.ndarray, slope: np.ndarray, level: int, lagrangian: float) -> bool:
    """Whether all the error of a value that stays at its level is worth less than the bits of one change."""
    gains = np.square(curve * level + slope) / np.maximum(curve, 1e-12)
    return bool(gains.sum() <= lagrangian * _CHANGE_BITS)


def _cheapest(costs: np.ndarray, start: int) -> np.ndarray:
    """The cheapest way through costs [T, from, to], from the state ``start`` on: the states, [T]."""
    count, states, _ = costs.shape
    everyone = np.arange(states)
    came = np.zeros((count, states), np.int64)
    total = costs[0, start]
    for step in range(1, count):
        ways = total[:, None] + costs[step]
        came[step] = ways.argmin(0)
        total = ways[came[step], everyone]
    way = np.empty(count, np.int64)
    way[-1] = total.argmin()
    for step in range(count - 1, 0, -1):
        way[step - 1] = came[step, way[step]]
    return way


class Lookahead:
    """Chooses the values of blocks of ``length`` pictures, each with as many that follow in sight."""

    def __init__(self, steps: np.ndarray, lagrangian: float, length: int) -> None:
        self._steps, self._lagrangian, self._length = steps, lagrangian, length
        self._waiting: list[Candidate] = []
        self._previous: Sequence[int] = ()

    def start(self, values: Sequence[int]) -> None:
        """After a key picture with these values."""
        self._previous, self._waiting = values, []

    def push(self, candidate: Candidate) -> list[list[int]]:
        """The next picture; returns the values of those that are decided, often none."""
        self._waiting.append(candidate)
        return self._decide(self._length) if len(self._waiting) == 2 * self._length else []

    def flush(self) -> list[list[int]]:
        """Values of all that wait: the pictures end here, or a key picture follows."""
        return self._decide(len(self._waiting)) if self._waiting else []

    def _decide(self, count: int) -> list[list[int]]:
        chosen = choose_together(self._waiting, self._previous, self._steps, self._lagrangian)
        self._waiting = [
            candidate._replace(values=values)
            for candidate, values in zip(self._waiting[count:], chosen[count:], strict=True)
        ]
        self._previous = chosen[count - 1]
        return chosen[:count]
