"""Facial parameters between float and integer: the quantiser with its dead zone, and the layout of a family in a
stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitstream import Group, Layout
from bitstream.layout import VALUE_LIMIT
from bitstream.parameters import Predictor


def stream_layout(groups: Sequence, step_offset: int = 0) -> Layout:
    """The layout of a family's groups, its steps made finer (positive) or coarser by ``step_offset`` quarter octaves.

    A group follows group 0 where the family says so. Index 0, a step of 1, is the coarsest there is: groups whose steps
    are near it stop there. Raises ValueError if a step index exceeds 127.
    """
    return Layout(
        tuple(
            Group(group.count, group.components, max(0, group.step_index + step_offset), group.follows)
            for group in groups
        )
    )


def family_quantiser(groups: Sequence, step_offset: int = 0, dead_zone: float | None = None) -> Quantiser:
    """The quantiser of a family's groups, with `stream_layout`; ``dead_zone`` None is each group's own."""
    zones = [group.dead_zone for group in groups] if dead_zone is None else dead_zone
    return Quantiser(stream_layout(groups, step_offset), zones)


def change_bits(change: np.ndarray) -> np.ndarray:
    """About how many bits the arithmetic coder spends on a change by so many steps."""
    size = np.abs(change)
    return np.where(size > 0, 3 + 2 * np.log2(np.maximum(size, 1)), 0.4)


class Quantiser:
    """Float parameters <-> integers of one stream.

    A value whose distance from its prediction is at most ``dead_zone`` steps is not sent: noise of the analysis then
    costs nothing and a still head stays still, while the error never exceeds the larger of half a step and the dead
    zone.
    """

    def __init__(self, layout: Layout, dead_zone: float | Sequence[float] = 1.0) -> None:
        """dead_zone: of all groups, or of each."""
        zones = [dead_zone] * len(layout.groups) if isinstance(dead_zone, float | int) else list(dead_zone)
        if len(zones) != len(layout.groups):
            raise ValueError(f"{len(zones)} dead zones for {len(layout.groups)} groups")
        for zone in zones:
            if not 0 <= zone <= 8:
                raise ValueError(f"dead zone {zone}, 0..8 steps expected")
        self.layout = layout
        self.dead_zones = zones
        self.follows = any(group.follows for group in layout.groups)
        self.steps = np.asarray(layout.steps())
        self._predictor = Predictor(layout)

    def dequantise(self, values: Sequence[int]) -> np.ndarray:
        """Integers -> float32 [n]."""
        return (np.asarray(values, dtype=np.float64) * self.steps).astype(np.float32)

    def quantise_key(self, parameters: np.ndarray) -> list[int]:
        """Float [n] of a key picture -> nearest integers."""
        return [int(value) for value in np.rint(self._scaled(parameters))]

    def quantise(self, parameters: np.ndarray, previous: list[int]) -> list[int]:
        """Float [n] of a driving picture -> integers, given those of the picture before it."""
        target = self._scaled(parameters).tolist()
        values: list[int] = []
        components = self.layout.groups[0].components
        moved = [0] * components
        for index in range(self.layout.groups[0].count):
            predicted = self._predictor.within_first(previous, moved, index)
            value = self._choose(target[index], predicted, self.dead_zones[0])
            moved[index % components] += value - previous[index]
            values.append(value)
        for number in range(1, len(self.layout.groups)):
            start = len(values)
            predicted = self._predictor.group(previous, moved, number, start)
            zone = self.dead_zones[number]
            values += [self._choose(target[start + i], p, zone) for i, p in enumerate(predicted)]
        return values

    def optimise(self, parameters: np.ndarray, metric: np.ndarray, previous: list[int], lagrangian: float) -> list[int]:
        """As `quantise`, by rate and distortion: e' ``metric`` e, [n, n], is what an error e of the parameters costs,
        and a bit is worth ``lagrangian`` of that.

        From the values before, the change that gains most is made, until none gains: a change of one value can stand
        for those of several, which dead zones of each for itself cannot see (after rate-distortion optimised
        quantisation, Karczewicz et al., VCEG-AH21, 2008). Values that follow others are not supported.
        """
        target, scaled = self._scaled(parameters), metric * np.outer(self.steps, self.steps)
        start = np.asarray(previous, dtype=np.float64)
        values, diagonal = start.copy(), np.diag(scaled)
        for _ in range(8 * len(values)):
            slope = scaled @ (values - target)
            wanted = -slope / diagonal
            # To the nearest value, to the next smaller one, or back to no change.
            changes = np.stack((np.rint(wanted), np.trunc(wanted), start - values))
            costs = changes * (changes * diagonal + 2 * slope)
            costs += lagrangian * (change_bits(values + changes - start) - change_bits(values - start))
            row, index = np.unravel_index(np.argmin(costs), costs.shape)
            if not costs[row, index] < -1e-12:
                break
            values[index] += changes[row, index]
        return [int(value) for value in np.clip(values, -VALUE_LIMIT, VALUE_LIMIT)]

    @staticmethod
    def _choose(target: float, predicted: int, dead_zone: float) -> int:
        return predicted if abs(target - predicted) <= dead_zone else round(target)

    def _scaled(self, parameters: np.ndarray) -> np.ndarray:
        scaled = np.asarray(parameters, dtype=np.float64) / self.steps
        # A network's output is not bounded; the syntax is.
        return np.clip(np.nan_to_num(scaled), -32000, 32000)


class Smoother:
    """Temporal filter before the quantiser: small changes are noise of the analysis, large ones are motion.

    Each value follows its input with a gain that grows from ``1 - smoothing`` at rest to 1 at a distance of
    ``REACH`` steps, as in the one euro filter (Casiez et al., CHI 2012), whose gain grows with speed. 0 passes
    everything, and nothing is delayed.
    """

    REACH = 4.0

    def __init__(self, steps: np.ndarray, smoothing: float) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing {smoothing}, 0 up to but not 1 expected")
        self._reach = self.REACH * np.asarray(steps)
        self._smoothing = smoothing
        self._state: np.ndarray | None = None

    def __call__(self, parameters: np.ndarray) -> np.ndarray:
        """The filtered values of the next picture."""
        if self._state is None or not self._smoothing:
            self._state = np.asarray(parameters, dtype=np.float64)
            return self._state
        change = parameters - self._state
        gain = np.minimum(1.0, 1 - self._smoothing + self._smoothing * np.abs(change) / self._reach)
        self._state = self._state + gain * change
        return self._state

    def reset(self) -> None:
        """Start anew: the next picture is passed as it is."""
        self._state = None
