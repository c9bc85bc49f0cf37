"""Registration: the encoder fits the parameters to what the decoder will make of them.

The analysis sees one picture at a time and places each point to a few samples. How far head and body have moved since
the key picture is in the two pictures themselves, to a fraction of a sample: Gauss-Newton steps look for the
parameters whose motion field lays the key picture best over the driving one (Lucas and Kanade, An iterative image
registration technique, IJCAI 1981; Baker and Matthews, Lucas-Kanade 20 years on, IJCV 2004, for motion with
parameters). The analysis is where they start from and what they are held to: mouth and eyes change their looks, which
no motion of the key picture explains. Modes of the motion, which it does not see, start from those of the picture
before and are held to none.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from .models.field_shape import NECK, POINT_NOISE, REACH, SLOPE, STILL
from .models.groups import EYES_LOOK, MOUTH_LOOK
from .models.mode_map import ModeMap
from .models.point_map import PointMap
from .models.points import EYES_SLICE, MOUTH_SLICE, POINT_COUNT, index_of
from .sampling import BilinearMap
from .similarity import small_luma

# Of the reduced pictures; with 64 it is 0.02 dB better, and takes half as long again.
SIZE = 48
STEPS = 4
# The field changes little while the points settle: it is computed anew in these steps only.
_FRESH = (0, 2)
# How firmly the analysis holds each point: square error of luma, 0..1, mean over the picture, that a square distance of
# 1 (half the picture's width) is worth. What it sees of mouth and eyes has to be worth the bits of a word or a blink,
# which pass within a few pictures.
_HOLD = np.full((POINT_COUNT, 2), 0.003, np.float32)
_HOLD[MOUTH_SLICE] = 0.15
_HOLD[EYES_SLICE] = 0.2
_HOLD = _HOLD.reshape(-1)
# The same for the square of a mode's value; a value of 1 changes as much in all modes.
_MODE_HOLD = 5e-6
_SHOULDERS = slice(index_of("right_shoulder")[0], index_of("left_shoulder")[0] + 1)
_CHIN, _FOREHEAD = index_of("chin", "forehead")
_NOISE_MATRIX = np.diag(np.asarray(POINT_NOISE, np.float32))
# A change of luma, 0..1, that is small against this is rest; within so many heights of the face from the middle of the
# mouth or an eye nothing is: words and blinks are not trembling.
_AT_REST = 0.003
_LIVELY = 0.2
_LIVELY_PARTS = (
    list(index_of("mouth_right", "mouth_left", "upper_lip", "lower_lip")),
    list(index_of("right_lid_upper", "right_lid_lower")),
    list(index_of("left_lid_upper", "left_lid_lower")),
)
# Below this share of the person a sample says nothing.
_LEAST_SHARE = 0.1
# What a square error of 1 in a value of a look costs, as the metric has it: what it changes in the squares of mouth and
# eyes, which are a small part of the picture and count for more than that.
_LOOK_ERROR = np.repeat((6.4e-4, 4e-4), (MOUTH_LOOK, EYES_LOOK))
# Keeps parameters where nothing says anything of them.
_FLOOR = 1e-6


def _covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product = a @ b.T
    square = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * product
    return np.exp(np.sqrt(np.maximum(square, 1e-9)) / -REACH) + SLOPE * (1 + product)


def field_basis(source: np.ndarray, driving: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each point's displacement adds to that of each position, [N, K], and how much each belongs to the head, [N].

    `field.motion_field` of key points [K, 2] at positions [N, 2] is positions + basis @ (source - driving).
    """
    centre = driving.mean(0)
    at = driving - centre
    basis = _covariance(positions - centre, at) @ np.linalg.inv(_covariance(at, at) + _NOISE_MATRIX)
    chin, down = driving[_CHIN], driving[_CHIN] - driving[_FOREHEAD]
    below = (positions - chin) @ down / (down @ down + 1e-3)
    share = np.clip((below - NECK[0]) / (NECK[1] - NECK[0]), 0, 1)
    share = share * share * (3 - 2 * share)
    right, left = driving[_SHOULDERS]
    across = left - right
    place = np.clip((positions - right) @ across / (across @ across + 1e-3), 0, 1)
    moved = np.linalg.norm((source - driving)[_SHOULDERS], axis=1)
    gate = np.clip(moved / STILL - 1, 0, 1)
    basis = basis * (1 - share)[:, None]
    basis[:, _SHOULDERS] += share[:, None] * np.stack((1 - place, place), axis=1) * gate
    return basis, 1 - share


def _grid(height: int, width: int) -> np.ndarray:
    """Sample centres [height * width, 2], x then y, -1..1."""
    y, x = ((np.arange(count, dtype=np.float32) * 2 + 1) / count - 1 for count in (height, width))
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)


@functools.cache
def _blas() -> ThreadpoolController:
    """NumPy's matrix products: for those that are this small, sharing them between threads costs more than they do, and
    disturbs the networks beside them."""
    return ThreadpoolController().select(user_api="blas")


class Fit(NamedTuple):
    """parameters: float32 [n]; metric: [n, n], e' metric e is the square error that an error e of them adds, as luma
    0..1, mean over the picture; trembling: [n, n], the same for what a change c from the picture before counts as where
    the picture rests. The looks of mouth and eyes among them are those found: no motion shows them."""

    parameters: np.ndarray
    metric: np.ndarray
    trembling: np.ndarray


class Registration:
    """Of the pictures of one group, against its key picture."""

    def __init__(
        self,
        shown: np.ndarray,
        mask: np.ndarray,
        parameters: np.ndarray,
        points: PointMap,
        rest: float = 0.0,
        modes: ModeMap | None = None,
        mode_hold: np.ndarray | None = None,
    ) -> None:
        """rest: where the picture rests, a change of what is shown weighs as much as so many errors of that size:
        trembling is seen better than a place that is a little wrong.

        shown: the decoded key picture, uint8 [H, W, 3]; mask: where the person is in it, 0..1, [h, w]; parameters:
        its own, as decoded, float32 [n]; points, modes: of the weights; mode_hold: [M, M], e' hold e is what modes e
        cost, None is the same for each."""
        luma = small_luma(shown, SIZE)
        height, width = luma.shape
        self._positions = _grid(height, width)
        slopes = [np.zeros_like(luma), np.zeros_like(luma)]
        slopes[0][:, 1:-1] = (luma[:, 2:] - luma[:, :-2]) * (width / 4)
        slopes[1][1:-1] = (luma[2:] - luma[:-2]) * (height / 4)
        share = BilinearMap(mask[..., None].astype(np.float32))(self._positions).reshape(height, width)
        self._key = BilinearMap(np.stack((luma, *slopes, share), axis=-1))
        self._points, self._modes = points, modes or ModeMap()
        self._mode_hold = _MODE_HOLD * np.eye(self._modes.count, dtype=np.float32) if mode_hold is None else mode_hold
        self._source = points(parameters)[0]
        self._before: np.ndarray | None = None
        self._rest = rest

    def fit(self, rgb: np.ndarray, parameters: np.ndarray, shown: np.ndarray | None = None) -> Fit:
        """The parameters that fit a picture, uint8 [H, W, 3], best, from those [n] that the analysis has found.

        shown: the parameters of the picture before, as decoded: what rests is held to them. Call in the pictures' order
        then.
        """
        target = small_luma(rgb, SIZE).reshape(-1)
        before, self._before = self._before, target
        rest = None
        if shown is not None and before is not None and self._rest:
            rest = self._rest * np.exp(-np.square((target - before) / _AT_REST))
        count = self._points.count + self._modes.count
        parameters = parameters.copy()
        if shown is not None:
            # The analysis does not see them; they change little from picture to picture.
            parameters[self._points.count : count] = shown[self._points.count : count]
        with _blas().limit(limits=1):
            fit = self._fit(target, parameters[:count], rest, None if shown is None else shown[:count])
        looks = parameters[count:]
        if not len(looks):
            return fit
        metric = np.diag(np.concatenate((np.zeros(count), _LOOK_ERROR)))
        metric[:count, :count] = fit.metric
        return Fit(np.concatenate((fit.parameters, looks)), metric, np.pad(fit.trembling, (0, len(looks))))

    def _quiet(self, points: np.ndarray) -> np.ndarray:
        """How far each position is from the mouth and eyes of a picture with key points [K, 2], 0..1, [N]."""
        height = max(float(np.linalg.norm(points[_CHIN] - points[_FOREHEAD])), 1e-3)
        quiet = np.ones(len(self._positions), np.float32)
        for part in _LIVELY_PARTS:
            away = np.square(self._positions - points[part].mean(0)).sum(1) / (_LIVELY * height) ** 2
            quiet *= 1 - np.exp(-away * away)
        return quiet

    def _fit(
        self, target: np.ndarray, parameters: np.ndarray, rest: np.ndarray | None, shown: np.ndarray | None
    ) -> Fit:
        held, _ = self._points(parameters)
        rest = None if rest is None else rest * self._quiet(held)
        first = self._points.count
        best, least = None, np.inf
        positions, count = self._positions, len(target)
        for step in range(STEPS + 1):
            driving, slope = self._points(parameters)
            values = parameters[first:]
            if step in _FRESH:
                basis, head = field_basis(self._source, driving, positions)
                modes = self._modes(driving, positions) * head[:, None]
            seen = self._key(positions + basis @ (self._source - driving) + (modes @ values).T)
            if step == 0:
                # What is not the person's is not looked at again.
                kept = seen[:, 3] > _LEAST_SHARE
                positions, target, basis, seen = (x[kept] for x in (positions, target, basis, seen))
                modes = modes[:, kept]
                rest = None if rest is None else rest[kept]
            share = seen[:, 3]
            error = share * (target - seen[:, 0])
            away = (driving - held).reshape(-1)
            slopes = (seen[:, 1 + axis, None] * np.hstack((basis @ slope[axis::2], -modes[axis])) for axis in (0, 1))
            moves = share[:, None] * sum(slopes)
            metric = moves.T @ moves / count
            metric[:first, :first] += slope.T @ (_HOLD[:, None] * slope)
            metric[first:, first:] += self._mode_hold
            metric[np.diag_indices_from(metric)] += _FLOOR
            cost = error @ error / count + _HOLD @ (away * away) + values @ self._mode_hold @ values
            trembling = np.zeros_like(metric)
            if rest is not None:
                trembling = (moves * rest[:, None]).T @ moves / count
                change = parameters - shown
                pull = trembling @ change
                cost += change @ pull
            if best is None or cost < least:
                best, least = Fit(parameters, metric, trembling), cost
            if step < STEPS:
                gradient = moves.T @ error / count
                gradient[:first] += slope.T @ (_HOLD * away)
                gradient[first:] += self._mode_hold @ values
                if rest is not None:
                    gradient += pull
                parameters = (parameters - np.linalg.solve(metric + trembling, gradient)).astype(np.float32)
        return best
