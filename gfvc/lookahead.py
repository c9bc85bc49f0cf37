"""The choice of what to send, over several pictures.

A change of a value costs its bits once and is of use for as long as the value stays; whether it is worth them only the
pictures after it can tell. So values are chosen for a block of pictures together, with those that follow it in sight:
for one value after the other, all others held, dynamic programming finds the course that costs least in error,
trembling and bits (after trellis quantisation, Ramchandran and Vetterli, Rate-distortion optimal fast thresholding with
complete JPEG/MPEG decoder compatibility, IEEE TIP 1994); then all that changes in a picture is tried in the pictures
around it, and both again until nothing gains any more.
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
# By how many pictures at most changes are tried earlier and later.
_REACH = 8
# Bits that it costs to change anything in a picture in which nothing changes else: more than the coder asks for,
# because a picture that is repeated is not generated anew.
_WAKING_BITS = 4.0
# Of no change, and of the smallest one beyond that.
_REST_BITS = float(change_bits(np.array(0)))
_CHANGE_BITS = float(change_bits(np.array(1))) - _REST_BITS


class Candidate(NamedTuple):
    """What is known of a picture. fit: of its parameters; shown: those of the picture before, as it took them to be,
    float32 [n]; values: as one would choose them for it alone, [n]."""

    fit: Fit
    shown: np.ndarray
    values: Sequence[int]


class _Course(NamedTuple):
    """Costs of a block of T pictures in quantiser steps. errors, tremblings: [T, n, n]; pulls: [T, n]: values v
    [T, n] cost v' errors v - 2 pulls v, and their changes c from picture to picture sqrt(c' tremblings c).

    The root: an edge that has to move by two samples while the original rests flickers as much in two steps as in one,
    and many values that change at once hardly more than one of them. So changes come together, and where the original
    moves too.
    """

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
        # The fit is the best of error and square trembling against what was shown then: its slope is none.
        pulls = np.einsum("tij,tj->ti", errors, best) + np.einsum("tij,tj->ti", tremblings, changes)
        return cls(*(np.nan_to_num(part) for part in (errors, tremblings, pulls)))


def choose_together(
    candidates: Sequence[Candidate], previous: Sequence[int], steps: np.ndarray, lagrangian: float
) -> list[list[int]]:
    """Values [T][n] of a block of pictures, given those [n] of the picture before it.

    steps: of the quantiser, [n]; lagrangian: the square error that a bit is worth.
    """
    choice = _Choice(candidates, previous, steps, lagrangian)
    for _ in range(_SWEEPS):
        improved = [choice.improve(index) for index in range(len(steps))]
        moved = [choice.move(picture) for picture in range(len(candidates))]
        if not (any(improved) or any(moved)):
            break
    return [[int(value) for value in row] for row in np.clip(choice.values, -VALUE_LIMIT, VALUE_LIMIT)]


class _Choice:
    """Values of a block of pictures, float64 [T, n], which get better step by step."""

    def __init__(
        self, candidates: Sequence[Candidate], previous: Sequence[int], steps: np.ndarray, lagrangian: float
    ) -> None:
        self._course = _Course.of(candidates, steps)
        self._before = np.asarray(previous, dtype=np.float64)
        self._lagrangian = lagrangian
        self.values = np.array([candidate.values for candidate in candidates], dtype=np.float64)
        self._update()

    def _update(self) -> None:
        """What follows from the values: changes [T, n] and their squared tremblings [T]."""
        self._changes = np.diff(self.values, axis=0, prepend=self._before[None])
        self._forms = _forms(self._course.tremblings, self._changes)

    def improve(self, index: int) -> bool:
        """Give a value its best course; whether that is another one."""
        course, own, start = self._course, self.values[:, index], self._before[index]
        low, high = (int(edge(own, initial=start)) for edge in (np.min, np.max))
        curve = course.errors[:, index, index]
        # Square error of a level c: curve c^2 + 2 slope c, and what does not depend on it.
        slope = np.einsum("tj,tj->t", course.errors[:, index], self.values) - curve * own - course.pulls[:, index]
        if low == high and self._idle(curve, slope, low):
            return False
        levels = np.arange(low - _BEYOND, high + _BEYOND + 1, dtype=np.float64)
        if len(levels) > _MOST_LEVELS:
            return False
        moved = self._changes[:, index]
        stiffness = course.tremblings[:, index, index]
        # Squared trembling of a move m of this value: stiffness m^2 + 2 pushed m + that of all others.
        pushed = np.einsum("tj,tj->t", course.tremblings[:, index], self._changes) - stiffness * moved
        others = self._forms - (2 * pushed + stiffness * moved) * moved
        waking = np.where((self._changes != 0).sum(1) > (moved != 0), 0.0, _WAKING_BITS)
        moves = np.arange(1.0 - len(levels), len(levels))
        costs = self._lagrangian * (change_bits(moves) + np.outer(waking, moves != 0))
        costs += np.sqrt(np.maximum((np.outer(stiffness, moves) + 2 * pushed[:, None]) * moves + others[:, None], 0))
        errors = (np.outer(curve, levels) + 2 * slope[:, None]) * levels
        best = levels[_cheapest(costs, errors, int(start - levels[0]))]
        if np.array_equal(best, own):
            return False
        self.values[:, index] = best
        self._changes[:, index] = np.diff(best, prepend=start)
        moved = self._changes[:, index]
        self._forms = others + (2 * pushed + stiffness * moved) * moved
        return True

    def _idle(self, curve: np.ndarray, slope: np.ndarray, level: int) -> bool:
        """Whether all the error of a value that stays at its level is worth less than the bits of one change."""
        gains = np.square(curve * level + slope) / np.maximum(curve, 1e-12)
        return bool(gains.sum() <= self._lagrangian * _CHANGE_BITS)

    def move(self, picture: int) -> bool:
        """Let what changes in a picture change earlier or later, if that costs less, all of it at once: whatever
        changes in the pictures between goes with it."""
        if not self._changes[picture].any():
            return False
        held = self.values[picture - 1] if picture else self._before
        early, late = self._earlier(picture), self._later(picture, held)
        gain, first, end, row = max(early, late, key=lambda way: way[0])
        # Not for a gain by rounding errors: it would never end.
        if gain <= 1e-3 * self._lagrangian:
            return False
        self.values[first:end] = row
        self._update()
        return True

    def _later(self, picture: int, held: np.ndarray) -> tuple[float, int, int, np.ndarray]:
        """The best gain if the values before a picture stay up to the end; its first picture, its end, the values."""
        end = min(picture + _REACH, len(self.values))
        gains = np.cumsum(self._errors(picture, self.values[picture:end]) - self._errors(picture, held[None], end))
        # Where a picture follows, it makes up for all the changes.
        following = self.values[picture + 1 : end + 1]
        steps = np.cumsum(self._steps(picture, self._changes[picture : end + 1]))
        gains += np.append(steps[1:], steps[-1:])[: len(gains)]
        gains[: len(following)] -= self._steps(picture + 1, following - held)
        best = int(gains.argmax())
        return float(gains[best]), picture, picture + 1 + best, held

    def _earlier(self, picture: int) -> tuple[float, int, int, np.ndarray]:
        """The best gain if a picture's values come earlier; first picture, end, values."""
        first, row = max(picture - _REACH, 0), self.values[picture]
        if first == picture:
            return 0.0, picture, picture, row
        gains = self._errors(first, self.values[first:picture]) - self._errors(first, row[None], picture)
        steps = self._steps(first, self._changes[first : picture + 1])
        gains = np.cumsum(gains[::-1])[::-1] + np.cumsum(steps[::-1])[:0:-1]
        gains -= self._steps(first, row - self.values[first:picture] + self._changes[first:picture])
        best = int(gains.argmax())
        return float(gains[best]), first + best, picture, row

    def _errors(self, first: int, values: np.ndarray, end: int | None = None) -> np.ndarray:
        """Square errors of values [k, n], or [1, n] for all of them, in the pictures from the first one on: [k]."""
        part = slice(first, first + len(values) if end is None else end)
        return _forms(self._course.errors[part], values) - 2 * (self._course.pulls[part] * values).sum(1)

    def _steps(self, first: int, changes: np.ndarray) -> np.ndarray:
        """Costs of changes [k, n] in the pictures from the first one on, beyond those of no change: [k]."""
        bits = (change_bits(changes) - _REST_BITS).sum(1) + _WAKING_BITS * changes.any(1)
        forms = _forms(self._course.tremblings[first : first + len(changes)], changes)
        return self._lagrangian * bits + np.sqrt(np.maximum(forms, 0))


def _forms(matrices: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """x' M x for each row x of [k, n], or the one of [1, n], and matrix M of [k, n, n]: [k]."""
    return ((matrices @ rows[..., None])[..., 0] * rows).sum(1)


def _cheapest(costs: np.ndarray, errors: np.ndarray, start: int) -> np.ndarray:
    """The cheapest course from the level ``start`` on, [T]: costs [T, 2 L - 1] of a move by 1 - L..L - 1 levels, errors
    [T, L] of the level that it leads to."""
    count, levels = errors.shape
    everyone = np.arange(levels)
    moves = everyone - everyone[:, None] + levels - 1
    came = np.zeros((count, levels), np.int64)
    total = costs[0, moves[start]] + errors[0]
    for picture in range(1, count):
        ways = total[:, None] + costs[picture, moves]
        came[picture] = ways.argmin(0)
        total = ways[came[picture], everyone] + errors[picture]
    course = np.empty(count, np.int64)
    course[-1] = total.argmin()
    for picture in range(count - 1, 0, -1):
        course[picture - 1] = came[picture, course[picture]]
    return course


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
